"""WeChat Pay v3 as a server on a port: it checks signatures, keeps books, and signs messages."""

from tests.doubles.wechatpay.books import Books, RefusedError
from tests.doubles.wechatpay.keys import Merchant, PlatformKey
from tests.doubles.wechatpay.server import Fault, Message, WechatPayDouble

__all__ = [
    "Books",
    "Fault",
    "Merchant",
    "Message",
    "PlatformKey",
    "RefusedError",
    "WechatPayDouble",
]
