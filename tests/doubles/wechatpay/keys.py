"""Keys that are made where they are used: the merchant's, and those WeChat Pay signs with."""

import base64
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID


def _made() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65_537, key_size=2_048)


def sign(key: RSAPrivateKey, *lines: str) -> str:
    """RSA-SHA256 over the lines, each with its end, in base64."""
    signed = "".join(f"{line}\n" for line in lines).encode()
    return base64.b64encode(key.sign(signed, PKCS1v15(), SHA256())).decode()


@dataclass
class Merchant:
    """Whom the double knows as its customer: what is configured on our side."""

    mch_id: str = "1900000109"
    app_id: str = "wx8888888888888888"
    cert_serial: str = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
    api_v3_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    key: RSAPrivateKey = field(default_factory=_made, repr=False)

    @property
    def private_pem(self) -> str:
        """As the merchant platform hands it out."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def has_signed(self, signature: str, *lines: str) -> bool:
        """Whether the merchant's certificate fits the signature over these lines."""
        signed = "".join(f"{line}\n" for line in lines).encode()
        try:
            self.key.public_key().verify(base64.b64decode(signature), signed, PKCS1v15(), SHA256())
        except (InvalidSignature, ValueError):
            return False
        return True

    def sealed(self, text: str, kind: str) -> dict[str, str]:
        """The `resource` of a message: AES-256-GCM with the APIv3 key."""
        nonce = secrets.token_hex(6)
        made = AESGCM(self.api_v3_key.encode()).encrypt(
            nonce.encode(), text.encode(), kind.encode()
        )
        return {
            "original_type": kind,
            "algorithm": "AEAD_AES_256_GCM",
            "ciphertext": base64.b64encode(made).decode(),
            "associated_data": kind,
            "nonce": nonce,
        }


@dataclass
class PlatformKey:
    """What WeChat Pay signs with: a public key with an id, or an older certificate's key."""

    serial: str
    pem: str
    key: RSAPrivateKey = field(repr=False)

    @classmethod
    def public_key(cls) -> "PlatformKey":
        """A key that is handed out by itself (微信支付公钥)."""
        key = _made()
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(f"PUB_KEY_ID_0{secrets.randbelow(10**30):030d}", pem.decode(), key)

    @classmethod
    def certificate(cls) -> "PlatformKey":
        """A key that is handed out within a certificate (平台证书)."""
        key, number = _made(), x509.random_serial_number()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com sign")])
        day = datetime(2026, 1, 1, tzinfo=UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(number)
            .not_valid_before(day)
            .not_valid_after(day + timedelta(days=1_825))
            .sign(key, SHA256())
        )
        return cls(f"{number:X}", made.public_bytes(Encoding.PEM).decode(), key)
