"""Certificates of the fake cluster: an authority, a server and a client certificate.

Made once per root folder and kept there, so that a cluster that starts again is trusted
by a client that trusted it before. Java key stores are written here too, because the
client reads its Kafka certificates from them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

SERVICE_DOMAIN = "service.fake"
FLIGHT_NAME = f"flyingduck.service.{SERVICE_DOMAIN}"
LIFETIME = timedelta(days=30)
SUN_KEY_PROTECTOR = bytes.fromhex("300e060a2b060104012a021101010500")


@dataclass(frozen=True)
class Certificates:
    """Where the PEM files of a cluster lie."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def certificate(self, owner: str) -> Path:
        return self.folder / f"{owner}.pem"

    def key(self, owner: str) -> Path:
        return self.folder / f"{owner}.key"


def certificates(folder: Path, address: str) -> Certificates:
    """The certificates in a folder, made if it holds none for this address."""
    found = Certificates(folder)
    made_for = folder / "address"
    if made_for.is_file() and made_for.read_text() == address:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    authority = _Authority.load_or_make(found)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names += [x509.DNSName(FLIGHT_NAME)]
    names += [
        x509.IPAddress(ipaddress.ip_address(each))
        for each in sorted({"127.0.0.1", address})
    ]
    authority.issue(found, "server", names, ExtendedKeyUsageOID.SERVER_AUTH)
    authority.issue(found, "client", [], ExtendedKeyUsageOID.CLIENT_AUTH)
    made_for.write_text(address)
    return found


class _Authority:
    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        self.key = key
        self.certificate = certificate

    @classmethod
    def load_or_make(cls, place: Certificates) -> _Authority:
        if not place.ca.is_file():
            key = ec.generate_private_key(ec.SECP256R1())
            own = _authority_certificate(key)
            _write_private(place.key("ca"), _pem(key))
            place.ca.write_bytes(own.public_bytes(Encoding.PEM))
        key = load_pem_private_key(place.key("ca").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key, x509.load_pem_x509_certificate(place.ca.read_bytes()))

    def issue(
        self,
        place: Certificates,
        owner: str,
        names: list[x509.GeneralName],
        usage: x509.ObjectIdentifier,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(owner, self.certificate.subject, key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(names), critical=False
            )
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
            critical=False,
        )
        issued = builder.sign(self.key, hashes.SHA256())
        place.certificate(owner).write_bytes(issued.public_bytes(Encoding.PEM))
        _write_private(place.key(owner), _pem(key))


def _authority_certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Fake Hopsworks authority")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder("Fake Hopsworks authority", name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
        )
        .sign(key, hashes.SHA256())
    )


def _builder(
    owner: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(owner))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_private(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def key_store(place: Certificates, owner: str, password: str) -> bytes:
    """A Java key store (JKS) with a private key and its certificate."""
    key = load_pem_private_key(place.key(owner).read_bytes(), None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = _seal(der, password.encode("utf-16-be"))
    entry = struct.pack(">I", 1) + _text(owner) + struct.pack(">Q", 0)
    entry += struct.pack(">I", len(sealed)) + sealed + struct.pack(">I", 1)
    entry += _certificate_entry(place.certificate(owner))
    return _store([entry], password)


def trust_store(place: Certificates, password: str) -> bytes:
    """A Java key store (JKS) that trusts the cluster's authority."""
    entry = struct.pack(">I", 2) + _text("ca") + struct.pack(">Q", 0)
    return _store([entry + _certificate_entry(place.ca)], password)


def _store(entries: list[bytes], password: str) -> bytes:
    content = struct.pack(">III", 0xFEEDFEED, 2, len(entries)) + b"".join(entries)
    secret = password.encode("utf-16-be") + b"Mighty Aphrodite"
    return content + hashlib.sha1(secret + content).digest()


def _text(value: str) -> bytes:
    return struct.pack(">H", len(value)) + value.encode()


def _certificate_entry(path: Path) -> bytes:
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    return _text("X.509") + struct.pack(">I", len(der)) + der


def _seal(key: bytes, password: bytes) -> bytes:
    """Sun's own key protection: a key stream of chained SHA-1 digests."""
    salt = os.urandom(20)
    stream, digest = b"", salt
    while len(stream) < len(key):
        digest = hashlib.sha1(password + digest).digest()
        stream += digest
    sealed = bytes(a ^ b for a, b in zip(key, stream, strict=False))
    check = hashlib.sha1(password + key).digest()
    return _der(0x30, SUN_KEY_PROTECTOR + _der(0x04, salt + sealed + check))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content
