"""Which addresses may be dialled, and that a name with a single wrong one is dialled at none."""

from collections.abc import Sequence

import pytest

from app.webhooks.adapters.resolving import Resolve, address_fault, public_addresses
from app.webhooks.rules.addresses import is_public

PUBLIC = (
    "8.8.8.8", "1.1.1.1", "93.184.216.34", "100.63.255.255", "100.128.0.1", "172.15.0.1",
    "172.32.0.1", "192.0.1.1", "223.255.255.255", "2001:4860:4860::8888", "2606:4700::1111",
    "2400:3200::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00::1",
)  # fmt: skip
CLOSED = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255",  # noqa: S104
    "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.100.100.200",
    "100.127.255.255", "169.254.169.254", "168.63.129.16", "192.0.0.1", "192.0.0.192",
    "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808", "2002:7f00:1::1", "2002:808:808::1", "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1", "2001:db8::1", "3fff::1", "5f00::1",
    "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1111%eth0",
    "fec0::1", "ff02::1", "4000::1",
    "", "127.1", "0177.0.0.1", "localhost", "8.8.8.8/32", " 8.8.8.8",
)  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_closed(address: str) -> None:
    assert not is_public(address)


def test_the_loopback_is_for_tests_only() -> None:
    open_then = [each for each in CLOSED if is_public(each, allow_loopback=True)]
    assert set(open_then) <= {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"}
    assert {"127.0.0.1", "::1"} <= set(open_then)


def told(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    "addresses",
    [(), ("127.0.0.1",), ("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "8.8.8.8"), ("8.8.8.8", "::1")],
)
async def test_one_closed_address_refuses_the_name(addresses: tuple[str, ...]) -> None:
    resolve = told(*addresses)
    assert not await public_addresses("x.example.com", 443, resolve, allow_loopback=False)
    fault = await address_fault("x.example.com", allow_loopback=False, resolve=resolve)
    assert fault == "address_refused"


async def test_a_name_that_is_public_throughout() -> None:
    resolve = told("8.8.8.8", "2606:4700::1111")
    found = await public_addresses("x.example.com", 443, resolve, allow_loopback=False)
    assert found == ("8.8.8.8", "2606:4700::1111")
    assert await address_fault("x.example.com", allow_loopback=False, resolve=resolve) is None


async def test_an_address_as_a_host_asks_nobody() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        raise AssertionError

    assert not await public_addresses("127.0.0.1", 80, never, allow_loopback=False)
    assert await public_addresses("127.0.0.1", 80, never, allow_loopback=True) == ("127.0.0.1",)
