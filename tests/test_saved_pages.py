"""Pages saved from a browser: HTML, HAR, WARC and WACZ files, whole and damaged."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import brotli
import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from web_poet import HttpResponse

from scrapy_project.pages.listing import ListingPage
from scrapy_project.pages.search import SearchPage
from scrapy_project.saved_pages import (
    SavedPage,
    UnreadableSource,
    has_saved_pages,
    read_saved_pages,
    saved_page_count,
)

SAMPLES = Path(__file__).parent / "samples"
SEARCH_URL = (
    "https://www.booli.se/sok/slutpriser?areaIds=115341&objectType=L%C3%A4genhet"
)
HOME_URL = "https://www.booli.se/bostad/800001"
SAVED_AT = datetime(2026, 6, 5, 20, 15)
CHALLENGE = b"<html><title>Just a moment...</title><script>_cf_chl_opt</script></html>"


def payload(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}.next_data.json").read_bytes())


def document(data: dict[str, Any], head: str = "") -> bytes:
    text = json.dumps(data, ensure_ascii=False)
    script = f'<script id="__NEXT_DATA__" type="application/json">{text}</script>'
    return f"<html><head>{head}</head><body>{script}</body></html>".encode()


SEARCH = document(payload("search_page"))
HOME = document(payload("listing_page_several_sales"))


def saved_from(url: str) -> bytes:
    return f"<!DOCTYPE html>\n<!-- saved from url=({len(url):04})%s -->\n".encode() % (
        url.encode()
    )


def read(folder: Path) -> list[SavedPage | UnreadableSource]:
    return list(read_saved_pages(folder))


def only_page(folder: Path) -> SavedPage:
    (found,) = read(folder)
    assert isinstance(found, SavedPage), found
    return found


def only_reason(folder: Path) -> str:
    (found,) = read(folder)
    assert isinstance(found, UnreadableSource), found
    return found.reason


def bodies(folder: Path) -> list[bytes]:
    return [found.body for found in read(folder) if isinstance(found, SavedPage)]


# HAR


def entry(
    url: str,
    body: bytes | None,
    *,
    status: int = 200,
    method: str = "GET",
    **content: str,
) -> dict[str, Any]:
    """One entry, with the members that both Chrome and Firefox write."""
    if body is not None and "encoding" not in content:
        content["text"] = body.decode()
    return {
        "startedDateTime": "2026-06-05T22:15:00.000+02:00",
        "request": {"method": method, "url": url, "httpVersion": "h2", "headers": []},
        "response": {
            "status": status,
            "content": {"size": 1, "mimeType": "text/html; charset=utf-8", **content},
        },
    }


def har(*entries: dict[str, Any], creator: str = "WebInspector") -> bytes:
    log = {"version": "1.2", "creator": {"name": creator}, "entries": entries}
    return json.dumps({"log": log}, ensure_ascii=False).encode()


def in_base64(url: str, body: bytes) -> dict[str, Any]:
    return entry(url, body, encoding="base64", text=base64.b64encode(body).decode())


# WARC


def response(
    writer: WARCWriter, url: str, body: bytes, status: str = "200 OK", **headers: str
) -> None:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    http = StatusAndHeaders(status, named, protocol="HTTP/1.1")
    record = writer.create_warc_record(
        url,
        "response",
        payload=io.BytesIO(body),
        http_headers=http,
        warc_headers_dict={"WARC-Date": "2026-06-05T20:15:00Z"},
    )
    writer.write_record(record)


def warc(*answers: tuple[str, bytes], gzipped: bool = False) -> bytes:
    file = io.BytesIO()
    writer = WARCWriter(file, gzip=gzipped)
    writer.write_record(writer.create_warcinfo_record("a.warc", {"software": "test"}))
    for url, body in answers:
        response(writer, url, body, Content_Type="text/html")
    return file.getvalue()


def warc_of(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    file = io.BytesIO()
    response(WARCWriter(file, gzip=False), HOME_URL, body, status, **headers)
    return file.getvalue()


# HTML files


def test_html_tells_its_address_in_chromes_comment(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(saved_from(HOME_URL) + HOME)
    page = only_page(tmp_path)
    assert (page.source, page.url) == ("a.html", HOME_URL)


def test_html_without_comment_tells_its_canonical_address(tmp_path: Path) -> None:
    link = f'<link rel="canonical" href="{SEARCH_URL.replace("&", "&amp;")}">'
    (tmp_path / "a.htm").write_bytes(document(payload("search_page"), link))
    assert only_page(tmp_path).url == SEARCH_URL


def test_html_that_tells_no_address_is_read_without_one(tmp_path: Path) -> None:
    (tmp_path / "a.xhtml").write_bytes(HOME)
    assert only_page(tmp_path) == SavedPage(
        "a.xhtml", "", HOME, only_page(tmp_path).saved_at
    )


def test_html_was_saved_when_the_file_was_written(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_bytes(HOME)
    os.utime(file, (0, SAVED_AT.timestamp() - datetime(1970, 1, 1).timestamp()))
    assert only_page(tmp_path).saved_at == SAVED_AT


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_html_of_any_encoding_a_browser_writes_gives_utf8(
    encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_bytes(HOME.decode().encode(encoding))
    assert only_page(tmp_path).body == HOME


def test_files_beside_a_complete_webpage_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "Slutpriser.html").write_bytes(SEARCH)
    beside = tmp_path / "Slutpriser_files"
    beside.mkdir()
    (beside / "ad.html").write_text("<html>an advertisement</html>")
    (beside / "logo.png").write_bytes(b"\x89PNG")
    assert bodies(tmp_path) == [SEARCH]
    assert saved_page_count(tmp_path) == 1


def chrome_source_view(body: bytes) -> str:
    escaped = body.decode().replace("&", "&amp;").replace("<", "&lt;")
    lines = escaped.replace('id="', 'id="<span class="v">').replace('__"', '__</span>"')
    rows = "".join(
        f'<tr><td class="line-number" value="{number}"></td>'
        f'<td class="line-content">{line}</td></tr>'
        for number, line in enumerate(lines.split("\n"), 1)
    )
    return f"<html><body><table><tbody>{rows}</tbody></table></body></html>"


def test_saved_view_of_the_source_gives_the_page_itself(tmp_path: Path) -> None:
    body = HOME.replace(b"<body>", b"<body>\n<p>R&amp;D</p>\n")
    (tmp_path / "a.html").write_text(chrome_source_view(body), encoding="utf-8")
    assert only_page(tmp_path).body == body


def test_source_saved_from_firefox_gives_the_page_itself(tmp_path: Path) -> None:
    escaped = HOME.decode().replace("&", "&amp;").replace("<", "&lt;")
    shown = f'<html><body id="viewsource"><pre id="line1">{escaped}</pre></body></html>'
    (tmp_path / "a.html").write_text(shown, encoding="utf-8")
    assert only_page(tmp_path).body == HOME


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the file is empty"),
        (b" \n", "it is empty"),
        (CHALLENGE, "it is a challenge"),
        ("<title>Vänta…</title>".encode(), "it is a challenge"),
        (HOME[: len(HOME) // 2], "it is cut off inside its data"),
        (b"<html>hello</html>", "it has no __NEXT_DATA__"),
        (b"<script>self.__next_f.push([1])</script>", "keep the file, and report it"),
        (document({"props": {"pageProps": {}}}), "it is a page without homes"),
        (
            saved_from("https://www.hemnet.se/salda") + HOME,
            "it is a page of www.hemnet.se; expected one of booli.se",
        ),
        (
            saved_from("https://www.booli.se/sok/till-salu?areaIds=1") + SEARCH,
            "it is the page /sok/till-salu; expected a search of sold homes",
        ),
    ],
)
def test_html_without_a_page_says_what_it_is(
    body: bytes, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_bytes(body)
    assert reason in only_reason(tmp_path)


def test_unreadable_html_keeps_its_body(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(CHALLENGE)
    (found,) = read(tmp_path)
    assert found.body == CHALLENGE


@pytest.mark.parametrize(
    ("url", "body"),
    [
        ("https://www.booli.se/bostad/800002", HOME),
        (HOME_URL, SEARCH),
        (SEARCH_URL, HOME),
        (f"{SEARCH_URL}&page=2", SEARCH),
        (SEARCH_URL.replace("115341", "115349"), SEARCH),
    ],
)
def test_html_saved_after_a_click_inside_the_site_is_refused(
    url: str, body: bytes, tmp_path: Path
) -> None:
    (tmp_path / "a.html").write_bytes(saved_from(url) + body)
    assert "holds the data of the one opened before it" in only_reason(tmp_path)


def test_html_whose_text_shows_another_page_number_is_refused(tmp_path: Path) -> None:
    shown = SEARCH.replace(b"</body>", b"Visar sida <!-- -->2<!-- --> av 9</body>")
    (tmp_path / "a.html").write_bytes(shown)
    assert "press F5" in only_reason(tmp_path)


@pytest.mark.parametrize("name", ["a.mhtml", "a.mht", "a.webarchive"])
def test_single_file_page_is_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("MIME-Version: 1.0")
    assert "'Webpage, HTML Only'" in only_reason(tmp_path)


# Folders


def test_files_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/2.html", "a.html", "b/1.html", "c.html"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(HOME + name.encode())
    names = [found.source for found in read(tmp_path)]
    assert names == ["a.html", "b/1.html", "b/2.html", "c.html"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.png", "a.css", "a.json", "a.txt", ".DS_Store", "._a.html"):
        (tmp_path / name).write_bytes(b"something")
    assert read(tmp_path) == []
    assert not has_saved_pages(tmp_path)


def test_same_page_saved_twice_comes_once(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(saved_from(HOME_URL) + HOME)
    (tmp_path / "b.html").write_bytes(saved_from(HOME_URL) + HOME)
    assert only_page(tmp_path).source == "a.html"


def test_count_is_of_files_that_may_hold_pages(tmp_path: Path) -> None:
    for name in ("a.html", "b.HAR", "c.warc.gz", "d.wacz", "e.png"):
        (tmp_path / name).write_bytes(b"x")
    assert saved_page_count(tmp_path) == 4
    assert has_saved_pages(tmp_path)


def test_missing_folder_has_no_pages_and_says_so(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert not has_saved_pages(missing)
    assert "it cannot be opened" in only_reason(missing)


def test_one_file_may_stand_for_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    file.write_bytes(HOME)
    assert only_page(file).source == "a.html"


def test_link_to_a_folder_above_is_told_and_not_followed(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "loop").symlink_to(tmp_path)
    assert "link to a folder that it lies in" in only_reason(tmp_path)


def test_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.html").symlink_to(tmp_path / "a.html")
    assert "it cannot be opened" in only_reason(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["a.html", "folder"])
def test_what_may_not_be_opened_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.mkdir() if name == "folder" else path.write_bytes(HOME)
    path.chmod(0)
    assert "Permission denied" in only_reason(tmp_path)


def test_pipe_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.html")
    assert read(tmp_path) == []


# HAR


def test_har_gives_pages_with_the_time_of_their_request(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(har(entry(HOME_URL, HOME)))
    assert only_page(tmp_path) == SavedPage("a.har#1", HOME_URL, HOME, SAVED_AT)


def test_har_of_firefox_with_base64_gives_the_same_page(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(har(in_base64(HOME_URL, HOME), creator="Firefox"))
    assert only_page(tmp_path).body == HOME


def test_packed_har_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "a.har.gz").write_bytes(gzip.compress(har(entry(HOME_URL, HOME))))
    assert only_page(tmp_path).body == HOME


def test_har_with_half_an_emoji_elsewhere_is_read(tmp_path: Path) -> None:
    text = har(entry("https://ads.example/x.js", b"HALF"), entry(HOME_URL, HOME))
    (tmp_path / "a.har").write_bytes(text.replace(b"HALF", rb"\ud83d"))
    assert only_page(tmp_path).body == HOME


def test_other_answers_in_a_har_are_left_alone(tmp_path: Path) -> None:
    others = [
        entry("https://ads.example/bostad/1", HOME),
        entry("https://www.booli.se/", HOME),
        entry("https://www.booli.se/graphql", b"{}", method="POST"),
        entry(HOME_URL, b"", status=307),
        entry(f"{HOME_URL}9", b"gone", status=404),
        entry(HOME_URL, None, status=0),
        entry("http://[broken", HOME),
        {"request": None},
    ]
    (tmp_path / "a.har").write_bytes(har(*others, entry(HOME_URL, HOME)))
    assert only_page(tmp_path).source == "a.har#9"


def next_data_url(route: str, query: str) -> str:
    return f"https://www.booli.se/_next/data/yHBnVji5/sv/{route}.json?{query}"


def test_data_fetched_by_a_click_is_read_as_its_page(tmp_path: Path) -> None:
    listing = payload("listing_page_several_sales")["props"]
    search = payload("search_page")["props"]
    asked = "areaIds=115341&objectType=L%C3%A4genhet"
    entries = [
        entry(
            next_data_url("bostad/800001", "id=800001"), json.dumps(listing).encode()
        ),
        entry(
            next_data_url("sok/slutpriser", f"{asked}&searchType=slutpriser"),
            json.dumps(search).encode(),
        ),
    ]
    (tmp_path / "a.har").write_bytes(har(*entries))
    home, cards = read(tmp_path)
    assert isinstance(home, SavedPage)
    assert isinstance(cards, SavedPage)
    assert [home.url, cards.url] == [HOME_URL, SEARCH_URL]
    assert listing_of(home.body) == listing_of(HOME)
    assert cards_of(cards.body) == cards_of(SEARCH)


def listing_of(body: bytes) -> Any:
    return ListingPage(HttpResponse(HOME_URL, body)).home


def cards_of(body: bytes) -> Any:
    return SearchPage(HttpResponse(SEARCH_URL, body)).cards


def test_data_asked_for_ahead_and_answered_empty_is_left_alone(tmp_path: Path) -> None:
    ahead = entry(next_data_url("bostad/1", "id=1"), b"{}")
    (tmp_path / "a.har").write_bytes(har(ahead, entry(HOME_URL, HOME)))
    assert bodies(tmp_path) == [HOME]


def test_challenge_before_the_page_is_not_told(tmp_path: Path) -> None:
    refused = entry(f"{HOME_URL}?__cf_chl_rt_tk=x", CHALLENGE, status=403)
    (tmp_path / "a.har").write_bytes(har(refused, entry(HOME_URL, HOME)))
    assert bodies(tmp_path) == [HOME]


def test_challenge_without_a_page_after_it_is_told_once(tmp_path: Path) -> None:
    refused = entry(f"{HOME_URL}2", CHALLENGE, status=403)
    entries = har(refused, refused, entry(HOME_URL, HOME))
    (tmp_path / "a.har").write_bytes(entries)
    page, told = read(tmp_path)
    assert isinstance(page, SavedPage)
    assert isinstance(told, UnreadableSource)
    assert told.source == "a.har#1"
    assert "the site answered 403" in told.reason
    assert told.body == CHALLENGE


def test_har_saved_without_content_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(har(entry(HOME_URL, None)))
    assert "saved without its content" in only_reason(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (har(entry(HOME_URL, HOME))[:-100], "it is cut off in the entry at byte"),
        (b"[]", "it is no HAR"),
        (b"no JSON", "it is no HAR"),
        (b'{"log": {}}', "it is no HAR"),
        (b"[" * 100_000, "it is no HAR"),
        (b'{"log": {"entries": [{"a" 1}]}}', "an entry of it is no JSON"),
        (
            b'{"log": {"entries": [{"a":' + b"[" * 9999 + b"]" * 9999 + b"}]}}",
            "an entry of it is no JSON",
        ),
        (b"\x1f\x8bnot gzip", "it is no complete gzip file"),
        (gzip.compress(har(), mtime=0)[:-9], "it is no complete gzip file"),
        (gzip.compress(b"", mtime=0), "it is no complete gzip file"),
        (har(), "none of its 0 answers is a page of sold homes"),
        (har(entry("https://example.org", HOME)), "none of its 1 answers"),
        (
            har(entry(HOME_URL, b"x", encoding="base64", text="%%%")),
            "its base64 is damaged",
        ),
    ],
)
def test_damaged_har_says_what_it_is(text: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(text)
    assert reason in only_reason(tmp_path)


def test_cut_har_gives_what_stands_before_the_cut(tmp_path: Path) -> None:
    text = har(entry(HOME_URL, HOME), entry(SEARCH_URL, SEARCH))
    (tmp_path / "a.har").write_bytes(text[:-300])
    page, damage = read(tmp_path)
    assert page.body == HOME
    assert isinstance(damage, UnreadableSource)
    assert "it is cut off in the entry at byte" in damage.reason


def test_har_cut_anywhere_never_gives_half_a_page(tmp_path: Path) -> None:
    whole = har(entry(HOME_URL, HOME))
    file = tmp_path / "a.har"
    for length in range(1, len(whole) - 4, 97):
        file.write_bytes(whole[:length])
        assert only_reason(tmp_path)


def test_har_is_read_however_it_is_laid_out(tmp_path: Path) -> None:
    log = json.loads(har(entry(HOME_URL, HOME)))["log"]
    log = (
        {"comment": 'a "[{" in it', "pages": [{"id": "1"}]}
        | log
        | {"entries": log["entries"]}
    )
    text = json.dumps({"log": log}, indent=2).encode()
    (tmp_path / "a.har").write_bytes(b"\xef\xbb\xbf" + text)
    assert only_page(tmp_path).body == HOME


def test_configured_site_counts_as_booli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOLI_BASE_URL", "http://127.0.0.1:8017")
    url = "http://127.0.0.1:8017/bostad/800001"
    (tmp_path / "a.har").write_bytes(har(entry(url, HOME)))
    assert only_page(tmp_path).url == url


# WARC


@pytest.mark.parametrize("gzipped", [False, True])
def test_warc_gives_pages_with_the_time_of_their_record(
    gzipped: bool, tmp_path: Path
) -> None:
    file = warc(("https://ads.example/", b"ad"), (HOME_URL, HOME), gzipped=gzipped)
    (tmp_path / "a.warc").write_bytes(file)
    assert only_page(tmp_path) == SavedPage("a.warc#3", HOME_URL, HOME, SAVED_AT)


def test_warc_packed_as_a_whole_is_read(tmp_path: Path) -> None:
    packed = gzip.compress(warc((HOME_URL, HOME), (SEARCH_URL, SEARCH)))
    (tmp_path / "a.warc.gz").write_bytes(packed)
    assert bodies(tmp_path) == [HOME, SEARCH]


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(HOME, mtime=0)),
        ("deflate", zlib.compress(HOME)),
        ("deflate", raw_deflate(HOME)),
        ("br", brotli.compress(HOME)),
        ("identity", HOME),
        ("gzip", HOME),
    ],
)
def test_warc_bodies_are_unpacked(encoding: str, packed: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(warc_of(packed, Content_Encoding=encoding))
    assert only_page(tmp_path).body == HOME


def test_warc_body_in_chunks_is_joined(tmp_path: Path) -> None:
    halves = HOME[:5000], HOME[5000:]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(half), half) for half in (*halves, b""))
    (tmp_path / "a.warc").write_bytes(warc_of(chunks, Transfer_Encoding="chunked"))
    assert only_page(tmp_path).body == HOME


def test_unknown_encoding_in_a_warc_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(warc_of(b"(...)", Content_Encoding="zstd"))
    assert "its encoding zstd is not known" in only_reason(tmp_path)


def test_challenge_in_a_warc_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(warc_of(b"", status="202 Accepted"))
    assert "the site answered 202" in only_reason(tmp_path)


def test_revisit_in_a_warc_is_left_alone(tmp_path: Path) -> None:
    file = io.BytesIO(warc((HOME_URL, HOME)))
    file.seek(0, io.SEEK_END)
    writer = WARCWriter(file, gzip=False)
    http = StatusAndHeaders("200 OK", [], protocol="HTTP/1.1")
    writer.write_record(
        writer.create_revisit_record(
            HOME_URL, "sha1:X", HOME_URL, "2026-06-05T20:15:00Z", http_headers=http
        )
    )
    (tmp_path / "a.warc").write_bytes(file.getvalue())
    assert bodies(tmp_path) == [HOME]


@pytest.mark.parametrize("gzipped", [False, True])
def test_cut_warc_gives_what_stands_before_the_cut(
    gzipped: bool, tmp_path: Path
) -> None:
    whole = warc((HOME_URL, HOME), (SEARCH_URL, SEARCH), gzipped=gzipped)
    (tmp_path / "a.warc").write_bytes(whole[:-300])
    page, damage = read(tmp_path)
    assert page.body == HOME
    assert isinstance(damage, UnreadableSource)
    first_bytes = len(warc((HOME_URL, HOME)))
    assert f"in the record at byte {first_bytes} (unpacked)" in damage.reason


@pytest.mark.parametrize("gzipped", [False, True])
def test_warc_cut_anywhere_never_gives_half_a_page(
    gzipped: bool, tmp_path: Path
) -> None:
    whole = warc((HOME_URL, HOME), gzipped=gzipped)
    file = tmp_path / "a.warc"
    for length in range(1, len(whole) - 4, 97):
        file.write_bytes(whole[:length])
        assert only_reason(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"no archive", "it is cut off or damaged in the record at byte 0"),
        (b"\x1f\x8bno gzip", "it is cut off or damaged in the record at byte 0"),
        (warc(), "none of its 1 answers is a page of sold homes"),
        (
            warc_of(HOME).replace(b"WARC-Target-URI", b"WARC-Target-XXX"),
            "it is cut off or damaged",
        ),
        (warc_of(HOME).replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 xxx OK"), "damaged"),
    ],
)
def test_damaged_warc_says_what_it_is(text: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.warc").write_bytes(text)
    assert reason in only_reason(tmp_path)


# WACZ


def wacz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("datapackage.json", "{}")
        archive.writestr("pages/pages.jsonl", "{}")
        for name, member in members.items():
            archive.writestr(f"archive/{name}.warc.gz", member)
    return file.getvalue()


def test_wacz_gives_the_pages_of_its_warcs(tmp_path: Path) -> None:
    one = warc((HOME_URL, HOME), gzipped=True)
    two = warc((SEARCH_URL, SEARCH), gzipped=True)
    (tmp_path / "a.wacz").write_bytes(wacz(one=one, two=two))
    assert bodies(tmp_path) == [HOME, SEARCH]
    assert read(tmp_path)[0].source == "a.wacz#archive/one.warc.gz#2"


@pytest.mark.parametrize("bytes_left_out", [1, 30, 2000])
def test_cut_wacz_says_what_it_is(bytes_left_out: int, tmp_path: Path) -> None:
    whole = wacz(one=warc((HOME_URL, HOME), gzipped=True))
    (tmp_path / "a.wacz").write_bytes(whole[:-bytes_left_out])
    assert "it is no complete ZIP file" in only_reason(tmp_path)


# Captured pages


def test_captured_pages_are_the_same_from_every_kind_of_file(
    real_data_dir: Path, tmp_path: Path
) -> None:
    captured = {
        SEARCH_URL: real_data_dir / "pages" / "2025-10_search_vasastan.html",
        "https://www.booli.se/annons/5848556": (
            real_data_dir / "pages" / "2025-10_listing_annons_5848556.html"
        ),
    }
    pages = [(url, path.read_bytes()) for url, path in captured.items()]
    (tmp_path / "a.har").write_bytes(har(*(entry(*page) for page in pages)))
    (tmp_path / "b.har").write_bytes(har(*(in_base64(*page) for page in pages)))
    (tmp_path / "c.warc.gz").write_bytes(warc(*pages, gzipped=True))
    expected = [body for _, body in pages]
    for file in sorted(tmp_path.iterdir()):
        assert bodies(file) == expected
    assert sorted(bodies(real_data_dir / "pages")) == sorted(expected)
