"""Languages at the edge: the code speaks in codes, people read Chinese or English."""

from decimal import Decimal
from typing import Annotated, Literal

from babel.numbers import format_currency, get_currency_precision
from fastapi import Depends, Request

Language = Literal["zh-CN", "en"]
DEFAULT_LANGUAGE: Language = "zh-CN"


def _weight(part: str) -> tuple[str, int]:
    tag, _, parameters = part.partition(";")
    _, _, q = parameters.strip().partition("q=")
    digits = q.strip()[:5].replace(".", "")
    thousandths = int((digits + "000")[:4]) if digits.isascii() and digits.isdigit() else 1_000
    return tag.strip().lower(), thousandths


def language_of(accept_language: str | None) -> Language:
    """The better liked of the two languages; Chinese where the header names neither."""
    best: tuple[int, Language] = (0, DEFAULT_LANGUAGE)
    for part in (accept_language or "")[:200].split(","):
        tag, weight = _weight(part)
        language: Language | None = (
            "en" if tag.startswith("en") else "zh-CN" if tag.startswith("zh") else None
        )
        if language and weight > best[0]:
            best = (weight, language)
    return best[1]


_LOCALES: dict[Language, str] = {"zh-CN": "zh_Hans_CN", "en": "en"}


def money_text(amount: int, currency: str, language: Language) -> str:
    """An amount in minor units as people write it: 300 in CNY is ¥3.00."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    return format_currency(value, currency, locale=_LOCALES[language])


async def _wanted(request: Request) -> Language:
    return language_of(request.headers.get("accept-language"))


Lang = Annotated[Language, Depends(_wanted)]
