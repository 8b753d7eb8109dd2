"""Steps that need no key: the name, the port, the certificate.

What belongs here: what a socket can tell. What does not: anything said over HTTP.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from cryptography import x509
from cryptography.x509.oid import NameOID
from requests.certs import where as public_authorities

from ml.hopsworks.preflight.outcomes import NotWellError, SkippedError

if TYPE_CHECKING:
    from ml.hopsworks.address import ClusterAddress
    from ml.hopsworks.preflight.findings import Findings

CONNECT_S = 5.0
NAMES_SHOWN = 4
EXPIRED = 10
NOT_YET_VALID = 9
WRONG_NAME = (62, 64)
"""OpenSSL's codes of what is wrong with a certificate (``X509_V_ERR_…``)."""


def resolve_name(findings: Findings) -> str:
    """Ask for the addresses of the host."""
    address = findings.known_address
    skip_behind_proxy(address)
    found = addresses_of(address.host, "check the spelling of HOPSWORKS_HOST")
    if found == [address.host]:
        return f"{address.host} is an address, which needs no name"
    return f"{address.host} is {', '.join(found[:NAMES_SHOWN])}"


def reach_port(findings: Findings) -> str:
    """Connect to the REST interface."""
    address = findings.known_address
    skip_behind_proxy(address)
    connect(
        address.host,
        address.port,
        "check HOPSWORKS_HOST and HOPSWORKS_PORT (443 unless told otherwise), and "
        "that this machine may connect there",
    )
    return f"{address.host}:{address.port} takes connections"


def verify_certificate(findings: Findings) -> str:
    """Shake hands as the client does, with the server's certificate verified."""
    address = findings.known_address
    skip_behind_proxy(address)
    context = ssl.create_default_context(cafile=trusted_file(address))
    try:
        presented = _presented(address, context)
    except ssl.SSLCertVerificationError as error:
        raise _not_verified(address, error) from error
    except OSError as error:
        is_late = isinstance(error, TimeoutError)
        reason = "says nothing" if is_late else _reason(error)
        raise NotWellError(
            f"the port takes connections but does not speak TLS ({reason})",
            "check HOPSWORKS_PORT: it is the port of HTTPS, 443 unless told otherwise",
        ) from error
    return f"{presented}; verified by {trusted_by(address)}"


def skip_behind_proxy(address: ClusterAddress) -> None:
    """Leave to the proxy what is the proxy's: the client goes through it too."""
    url = f"https://{address.host}:{address.port}"
    proxies = requests.utils.get_environ_proxies(url)
    proxy = requests.utils.select_proxy(url, proxies)
    if proxy:
        raise SkippedError(f"goes through the proxy {urlsplit(proxy).hostname}")


def addresses_of(host: str, to_do: str) -> list[str]:
    """Give the addresses of a host.

    Raises
    ------
    NotWellError
        When nobody knows the name.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotWellError(f"nobody knows the name {host!r}", to_do) from error
    return sorted({str(each[4][0]) for each in found})


def connect(host: str, port: int, to_do: str) -> None:
    """Open a connection and close it.

    Raises
    ------
    NotWellError
        When there is none; says whether it was refused or not answered.
    """
    addresses_of(host, to_do)
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except ConnectionRefusedError as error:
        raise NotWellError(
            f"{host}:{port} refuses: nothing listens there", to_do
        ) from error
    except TimeoutError as error:
        raise NotWellError(
            f"{host}:{port} does not answer; a firewall may be in between", to_do
        ) from error
    except OSError as error:
        raise NotWellError(
            f"{host}:{port} cannot be reached ({_reason(error)})", to_do
        ) from error


def trusted_file(address: ClusterAddress) -> str:
    """Give the file of authorities that the client trusts."""
    own = address.trust_store_path
    return public_authorities() if own is None else str(own)


def trusted_by(address: ClusterAddress) -> str:
    """Name those authorities."""
    own = address.trust_store_path
    return "the public authorities" if own is None else own.name


def _presented(address: ClusterAddress, context: ssl.SSLContext) -> str:
    place = (address.host, address.port)
    with (
        socket.create_connection(place, timeout=CONNECT_S) as plain,
        context.wrap_socket(plain, server_hostname=address.host) as secured,
    ):
        return _described(secured.getpeercert(binary_form=True) or b"")


def _not_verified(
    address: ClusterAddress, error: ssl.SSLCertVerificationError
) -> NotWellError:
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    try:
        shown = _presented(address, unverified)
    except (OSError, ValueError):
        shown = "none that can be read"
    why = f"{error.verify_message}; it presents {shown}"
    return NotWellError(why, _certificate_advice(address, error.verify_code))


def _certificate_advice(address: ClusterAddress, code: int) -> str:
    if code in (EXPIRED, NOT_YET_VALID):
        return (
            "see whether this machine's clock is right; else the cluster's "
            "administrator must renew the certificate"
        )
    if code in WRONG_NAME:
        return "set HOPSWORKS_HOST to a name that the certificate is for"
    tried = trusted_by(address)
    return (
        f"{tried} did not sign it. Ask the cluster's administrator for the "
        "authority's certificate as a PEM file and set HOPSWORKS_TRUST_STORE_PATH to it"
    )


def _described(der: bytes) -> str:
    certificate = x509.load_der_x509_certificate(der)
    names = _names(certificate)
    more = ", …" if len(names) > NAMES_SHOWN else ""
    return (
        f"a certificate for {', '.join(names[:NAMES_SHOWN])}{more}, "
        f"signed by {_common_name(certificate.issuer)!r}, valid until "
        f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return [_common_name(certificate.subject)]
    return [str(name.value) for name in extension.value]


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    return error.strerror or str(error)
