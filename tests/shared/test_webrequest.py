"""URLs: which are valid, how messages name them; one request with redirects, passwords, proxies and certificates."""
from __future__ import annotations

import base64
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webserver import Page, WebServer, authority, web_server

from mfmesos.shared import webrequest as web
from mfmesos.shared.webrequest import Hope, Version, WebError

WITHIN_S = 5.0


@pytest.fixture
def server():
    with web_server() as found:
        yield found


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def body(url: str, **headers: str) -> bytes:
    answer = web.request("GET", url, headers, WITHIN_S)
    with answer:
        return web.read(answer, 1 << 20, url)


def failure(url: str) -> WebError:
    with pytest.raises(WebError) as e:
        web.request("GET", url, {}, WITHIN_S)
    return e.value


@pytest.mark.parametrize("url", [
    "http://a", "https://a.b/c", "HTTPS://A/b?c#d", "https://user:pw@a:8443/b", "http://[::1]:80/", "http://a:/b",
    "https://bücher.example/ä", "http://a/%20b"])
def test_valid_urls(url: str) -> None:
    """Http and https, with everything that a URL may have."""
    assert web.is_valid(url)


@pytest.mark.parametrize("url", [
    "", "a", "file:///etc/passwd", "ftp://a/b", "http:", "http://", "http:///b", "http://a b/", "http://a/b c",
    "http://a/\n", "http://a\\@b/", "http://a:x/", "http://a:99999/", "http://[::1/", "http://a,b/", "//a/b",
    "gopher://a/", "http://user@/x", "http://a/\x7f", "http://a/\u202e"])
def test_invalid_urls(url: str) -> None:
    """Other schemes, no server, and what programs take apart in different ways."""
    assert not web.is_valid(url)


SECRET = st.text(st.characters(codec="utf-8"), min_size=8)


@given(SECRET, SECRET, SECRET)
def test_no_secret_is_shown(user: str, password: str, token: str) -> None:
    """Neither user nor password nor query, whatever characters they have; and one printable line."""
    user, password, token = (f"<{quote(one, safe='')}>" for one in (user, password, token))
    shown = web.shown(f"https://{user}:{password}@example.org/a/b?token={token}#{token}")
    assert shown == "https://example.org/a/b?..."
    assert not any(one in web.public(f"https://{user}:{password}@example.org/") for one in (user, password))


@given(st.text())
def test_any_text_is_a_url_or_none(text: str) -> None:
    """No exception, and what is shown is one line; what is valid can be sent."""
    assert web.shown(text).isprintable()
    if web.is_valid(text):
        assert web.public(text).isascii()
        assert web.scheme(text) in web.SCHEMES


def test_redirects_are_followed(server: WebServer) -> None:
    """A few, relative ones too; the range goes along."""
    server.pages = {"/a": Page(location="/b"), "/b": Page(location=f"{server.url}/c"), "/c": Page(b"0123456789")}
    assert body(f"{server.url}/a", Range="bytes=4-") == b"456789"


def test_a_head_stays_a_head(server: WebServer) -> None:
    """A redirected HEAD does not become a GET of the whole file."""
    server.pages = {"/a": Page(location="/b"), "/b": Page(b"x" * 1000, '"1"')}
    with web.request("HEAD", f"{server.url}/a", {}, WITHIN_S) as answer:
        assert web.version_of(answer) == Version('"1"', 1000)
    assert [r.method for r in server.requests] == ["HEAD", "HEAD"]


def test_redirects_are_bounded(server: WebServer) -> None:
    """A circle ends, with the URL as written."""
    server.pages = {"/a": Page(location="/a")}
    found = failure(f"{server.url}/a?secret")
    assert (str(found), found.hope) == (f"{server.url}/a?...: redirected more than 10 times", Hope.NOWHERE)
    assert len(server.requests) == 11


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://a/b", "http://a b\\c/", "http://[/"])
def test_redirects_lead_to_web_servers_only(server: WebServer, to: str) -> None:
    """Nothing else is opened."""
    server.pages = {"/a": Page(location=to)}
    found = failure(f"{server.url}/a")
    assert found.hope is Hope.NOWHERE
    assert "which is not followed" in str(found)


def test_https_and_its_certificates(tmp_path: Path, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown authority is refused, another agent may know it; a known one is accepted; https never becomes http."""
    trusted, context = authority(tmp_path)
    server.pages["/b"] = Page(b"plain")
    with web_server(context) as safe:
        safe.pages = {"/a": Page(b"safe"), "/b": Page(location=f"{server.url}/b")}
        found = failure(f"{safe.url}/a")
        assert found.hope is Hope.ELSEWHERE
        assert "certificate verify failed" in str(found)
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert body(f"{safe.url}/a") == b"safe"
        found = failure(f"{safe.url}/b")
        assert f"redirected to {server.url}/b, which is not followed" in str(found)
        server.pages["/up"] = Page(location=f"{safe.url}/a")
        assert body(f"{server.url}/up") == b"safe"
    assert not server.asked(path="/b")


def test_a_password_is_for_its_server_alone(server: WebServer) -> None:
    """It is sent as written, %-escapes decoded; after a redirect within the server, too, but to no other server."""
    user = base64.b64encode(b"me:p@ss").decode()
    server.pages = {"/a": Page(b"mine", user=user), "/b": Page(location="/a")}
    with web_server() as other:
        other.pages["/c"] = Page(b"foreign")
        server.pages["/c"] = Page(location=f"{other.url}/c", user=user)
        own = server.url.replace("://", "://me:p%40ss@")
        assert body(f"{own}/a") == body(f"{own}/b") == b"mine"
        assert body(f"{own}/c") == b"foreign"
        assert [r.headers.get("Authorization") for r in other.requests] == [None]
    found = failure(f"{server.url.replace('://', '://me:wrong@')}/a")
    assert str(found) == f"{server.url}/a: HTTP 401 (Unauthorized)"
    assert found.hope is Hope.NOWHERE


@pytest.mark.parametrize(("status", "hope"), [
    (404, Hope.NOWHERE), (403, Hope.NOWHERE), (410, Hope.NOWHERE), (204, Hope.NOWHERE), (407, Hope.ELSEWHERE),
    (408, Hope.HERE), (429, Hope.HERE), (500, Hope.HERE), (503, Hope.HERE)])
def test_what_another_try_may_bring(server: WebServer, status: int, hope: Hope) -> None:
    """Refusals are final, a server with a problem is asked again, a proxy's password is the agent's matter."""
    server.pages = {"/a": Page(statuses=[status])}
    found = failure(f"{server.url}/a")
    assert (found.hope, found.status) == (hope, status)
    assert str(found).startswith(f"{server.url}/a: HTTP {status} (")


def test_nobody_there(server: WebServer) -> None:
    """A refused connection and a server that never answers: in the system's words, with the URL."""
    server.stop()
    found = failure(f"{server.url}/a")
    assert (found.hope, found.status) == (Hope.HERE, 0)
    assert "refused" in str(found)


def test_a_slow_server(server: WebServer) -> None:
    """Whoever sends nothing for the whole time does not answer."""
    server.pages["/a"] = Page(wait=threading.Event())
    with pytest.raises(WebError) as e:
        web.request("GET", f"{server.url}/a", {}, 0.2)
    assert str(e.value) == f"{server.url}/a: timed out"
    assert e.value.hope is Hope.HERE


def test_proxies_of_the_environment(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """http_proxy gets the whole URL, no_proxy excepts a server, and a kind that urllib does not know is reported."""
    server.pages = {"http://example.invalid/a": Page(b"by proxy"), "/a": Page(b"direct")}
    monkeypatch.setenv("http_proxy", server.url)
    assert body("http://example.invalid/a") == b"by proxy"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert body(f"{server.url}/a") == b"direct"
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    assert "socks5" in str(failure("http://example.invalid/a"))


def test_versions(server: WebServer) -> None:
    """ETag and size, else Last-Modified; of a part as of the whole; sizes count where both are known."""
    server.pages = {"/e": Page(b"abc", 'W/"1"', "Mon"), "/m": Page(b"abc", "", "Mon"), "/n": Page(b"abc"),
                    "/l": Page(b"abc", '"1"', length=False)}
    found = {}
    for path in server.pages:
        with web.request("GET", server.url + path, {"Range": "bytes=1-1"} if path != "/l" else {}, WITHIN_S) as answer:
            found[path] = web.version_of(answer)
    assert found == {"/e": Version('"1"', 3), "/m": Version("Last-Modified Mon", 3), "/n": Version("", 3),
                     "/l": Version('"1"')}
    assert found["/l"].is_same(found["/e"])
    assert not found["/m"].is_same(found["/e"])
    assert not found["/e"].is_same(Version('"1"', 4))
    assert str(found["/e"]) == '"1", 3 bytes'
