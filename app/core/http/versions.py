"""`If-Match` and `ETag`: edits that race name the version they were made on."""

import re
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header

from app.core.errors import Problem


class VersionRequired(Problem):
    """Edits of this resource race, so each must say which version it was made on."""

    status = HTTPStatus.PRECONDITION_REQUIRED
    code = "version_required"
    title = 'Send If-Match with the version you read, e.g. If-Match: "3"'
    title_zh = '请在 If-Match 中带上读取到的版本，例如 If-Match: "3"'
    lasting = False


_ETAG = re.compile(r'^(?:W/)?"(\d{1,18})"$')


async def _version(
    if_match: Annotated[
        str | None, Header(alias="If-Match", max_length=64, examples=['"3"'])
    ] = None,
) -> int:
    found = _ETAG.match(if_match or "")
    if not found:
        raise VersionRequired
    return int(found[1])


IfMatch = Annotated[int, Depends(_version)]


def etag(version: int) -> str:
    """The version as an ETag."""
    return f'"{version}"'
