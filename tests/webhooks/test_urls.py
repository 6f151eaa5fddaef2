"""Which URLs may stand: every spelling by which a guard was ever passed is refused by its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.rules import url_fault
from app.webhooks.rules.urls import Target, read_url

GOOD = (
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com:443/a/b?c=d&e=%2F",
    "https://hooks.example.com:8443/quanpu",
    "https://HOOKS.Example.COM/X",
    "https://xn--fiqs8s.example.xn--p1ai/hook",
    "https://a.b-c.1d.example.com/;x=(1)~'$!*,@:",
    "https://10.example.com/",
    "https://1e100.net/",
)
BAD = {
    "too_long": ["https://hooks.example.com/" + "a" * 475],
    "scheme": [
        "http://hooks.example.com/",
        "file://hooks.example.com/etc/passwd",
        "gopher://hooks.example.com/",
        "ftp://hooks.example.com/",
        "HTTP://hooks.example.com/",
        "https+unix://hooks.example.com/",
    ],
    "user_info": [
        "https://good@127.0.0.1/",
        "https://hooks.example.com@127.0.0.1/",
        "https://user:word@hooks.example.com/",
        "https://@hooks.example.com/",
        "https://hooks.example.com:443@evil.example.com/",
        "https://127.0.0.1:443:hooks@example.com/",
    ],
    "fragment": ["https://hooks.example.com/#a", "https://hooks.example.com#@127.0.0.1/"],
    "port": [
        "https://hooks.example.com:22/",
        "https://hooks.example.com:80/",
        "https://hooks.example.com:6379/",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:65979/",
        "https://hooks.example.com:99999/",
    ],
    "address": [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0x/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.0.0.1./",
        "https://2130706433./",
        "https://127.0.0.0x1/",
        "https://0.0.0.0/",
        "https://0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://100.64.0.1/",
        "https://100.100.100.200/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://8.8.8.8/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fc00::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[2001:4860:4860::8888]/",
        "https://[example.com]/",
        "https://[v1.x]/",
        "https://example.com.0x7f/",
        "https://example.1/",
    ],
    "host_inside": [
        "https://localhost/",
        "https://LOCALHOST/",
        "https://a.localhost/",
        "https://printer.local/",
        "https://metadata.google.internal/",
        "https://db.corp/",
        "https://router.lan/",
        "https://nas.home.arpa/",
        "https://x.onion/",
    ],
    "host": [
        "https:///path",
        "https://example/",
        "https://example.com./",
        "https://.example.com/",
        "https://a..example.com/",
        "https://-a.example.com/",
        "https://a-.example.com/",
        "https://a_b.example.com/",
        "https://%31%32%37.0.0.1.example.com/",
        "https://exa%6dple.com/",
        "https://localhost./",
        "https://" + "a" * 64 + ".example.com/",
        "https://" + "a." * 124 + "example.com/",
        "https://*.example.com/",
    ],
    "host_not_ascii": [
        "https://圈铺.example.com/",
        "https://１２７.0.0.1/",  # full width digits
        "https://127。0。0。1/",  # ideographic full stops
        "https://ⓛocalhost.example.com/",
        "https://exampleㅤ.com/",
        "https://example.com℀.evil.example/",
        "https://еxample.com/",  # a Cyrillic letter
        "https://hooks.example.com\u2028/",
        "https://hooks.example.com\u00ad/",
    ],
    "characters": [
        "https://hooks.example.com/a b",
        " https://hooks.example.com/",
        "https://hooks.example.com/\r\nHost: evil",
        "https://hooks.example.com/\x00",
        "https://hooks.example.com\\@127.0.0.1/",
        "https:\\\\127.0.0.1/",
        "https://hooks.example.com/\t",
        "https://hooks.example.com/路径",
        "",
    ],
    "form": [
        "https:hooks.example.com/",
        "//hooks.example.com/",
        "hooks.example.com",
        "https://hooks.example.com:/x:y:z",
        "https://hooks.example.com:port/",
        "https://hooks.example.com:443:443/",
        "https://hooks.example.com:+443/",
        "https://hooks.example.com/%zz",
        'https://hooks.example.com/"<>',
        "https://hooks.example.com/{x}",
        "https://[::1/",
        "https://[::1]x/",
        "https://a[b].example.com/",
    ],
}  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_what_may_stand(url: str) -> None:
    assert url_fault(url, allow_loopback=False) is None


@pytest.mark.parametrize(("fault", "url"), [(f, u) for f, urls in BAD.items() for u in urls])
def test_what_is_refused_and_why(fault: str, url: str) -> None:
    assert url_fault(url, allow_loopback=False) == fault


def test_what_is_read_is_what_is_dialled() -> None:
    told = read_url("https://HOOKS.example.com:8443/a?b=c", allow_loopback=False)
    assert told == Target("https", "hooks.example.com", 8443, "/a?b=c")
    plain = read_url("https://hooks.example.com", allow_loopback=False)
    assert isinstance(plain, Target)
    assert (plain.path, plain.port, plain.authority) == ("/", 443, "hooks.example.com")


def test_the_loopback_is_for_tests_only() -> None:
    for url in ("http://127.0.0.1:8000/x", "http://localhost:1/", "https://[::1]:9/", "http://a.b"):
        assert url_fault(url, allow_loopback=True) is None
        assert url_fault(url, allow_loopback=False) is not None
    for url in ("http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:127.0.0.1]/"):
        assert url_fault(url, allow_loopback=True) == "address"


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_stands_names_a_plain_public_host(host: str, rest: str) -> None:
    """No text gets a target whose host is not letters, digits, hyphens and dots."""
    found = read_url(f"https://{host}/{rest}", allow_loopback=False)
    if isinstance(found, Target):
        assert set(found.host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
        assert not found.host.split(".")[-1].isdecimal()
        assert found.port in {443, 8443}
        assert f"https://{host}/{rest}".lower().startswith(f"https://{found.host}")


@given(
    st.sampled_from(["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433"]),
    st.sampled_from(["@", ":443@", "\\@", "#@", "?@", "/@", "%40", "\t", "\n", "。"]),
    st.sampled_from(["", "hooks.example.com", "x"]),
)
def test_an_inner_host_is_never_dialled(inner: str, glue: str, outer: str) -> None:
    for authority in (f"{outer}{glue}{inner}", f"{inner}{glue}{outer}"):
        found = read_url(f"https://{authority}/", allow_loopback=False)
        assert isinstance(found, str) or found.host == "hooks.example.com"
