"""SWEREF 99 TM (EPSG:3006) to latitude and longitude.

What belongs here: Lantmäteriet's Gauss-Krüger formulas. What does not: files.

Source: Lantmäteriet, "Gauss Conformal Projection (Transverse Mercator): Krüger's
Formulas", with the parameters of SWEREF 99 TM on GRS 80. Within Sweden they agree
with PROJ to a millimetre; SWEREF 99 and WGS84 differ by decimetres.
"""

from __future__ import annotations

from math import atan, atanh, cos, cosh, radians, sin, sinh

_FLATTENING = 1 / 298.257222101
_N = _FLATTENING / (2 - _FLATTENING)
_RADIUS_M = 6378137 / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_SCALE = 0.9996
_FALSE_EASTING_M = 500_000
_CENTRAL_MERIDIAN = 15.0
_DELTAS = (
    _N / 2 - 2 / 3 * _N**2 + 37 / 96 * _N**3 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 / 1440 * _N**4,
    17 / 480 * _N**3 - 37 / 840 * _N**4,
    4397 / 161280 * _N**4,
)
_E2 = _FLATTENING * (2 - _FLATTENING)
_A = _E2 + _E2**2 + _E2**3 + _E2**4
_B = -(7 * _E2**2 + 17 * _E2**3 + 30 * _E2**4) / 6
_C = (224 * _E2**3 + 889 * _E2**4) / 120
_D = -(4279 * _E2**4) / 1260


def to_wgs84(northing_m: float, easting_m: float) -> tuple[float, float]:
    """Latitude and longitude in degrees of a place given in SWEREF 99 TM metres."""
    xi = northing_m / (_SCALE * _RADIUS_M)
    eta = (easting_m - _FALSE_EASTING_M) / (_SCALE * _RADIUS_M)
    xi_sphere, eta_sphere = xi, eta
    for order, delta in enumerate(_DELTAS, start=1):
        xi_sphere -= delta * sin(2 * order * xi) * cosh(2 * order * eta)
        eta_sphere -= delta * cos(2 * order * xi) * sinh(2 * order * eta)
    sine = sin(xi_sphere) / cosh(eta_sphere)
    conformal = atanh(sine)
    s = sine**2
    latitude = atan(sinh(conformal)) + sine * (1 - s) ** 0.5 * (
        _A + _B * s + _C * s**2 + _D * s**3
    )
    longitude = radians(_CENTRAL_MERIDIAN) + atan(sinh(eta_sphere) / cos(xi_sphere))
    return latitude / radians(1), longitude / radians(1)
