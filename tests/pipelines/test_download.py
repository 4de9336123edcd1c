"""Downloads from a server on this machine that does all that servers do: cut, change, refuse."""

import fcntl
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.download import CATALOGUE, Archive, Dataset, Outcome, download, weights
from pipelines.download.command import download as command
from pipelines.download.digests import WrongDigest
from pipelines.download.fetch import FOLDER
from pipelines.download.transfer import Patience
from pipelines.errors import PipelineError
from pipelines.sources import bsds

NOISE = hashlib.shake_256(b"a file that does not compress").digest(300_000)


class Server:
    """Serves files with ranges; `faults` are taken one a request, before it behaves again.

    Attributes:
        files: path → (content, headers).
        faults: status to answer with, bytes after which to hang up, or a name of a bad habit.
        seen: the headers of each request.
    """

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.faults: list[int | tuple[str, int] | str] = []
        self.seen: list[dict[str, str]] = []
        self.stalled = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.http.server_port}"

    def put(self, path: str, content: bytes, **headers: str) -> str:
        given = headers or {"ETag": f'"{hashlib.md5(content).hexdigest()}"'}
        self.files[path] = content, {name.replace("_", "-"): text for name, text in given.items()}
        return f"{self.base}{path}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.seen.append(dict(request.headers))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, int):
            request.send_response(fault)
            request.send_header("Retry-After", "0")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        content, headers = self.files[request.path]
        if "Location" in headers:
            request.send_response(301)
            request.send_header("Location", headers["Location"])
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = self._start(request.headers, headers, fault)
        if start is not None and start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(200 if start is None else 206)
        body = content[start or 0 :]
        if start is not None:
            first = 0 if fault == "another range" else start
            request.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        if fault == "no length":
            request.send_header("Connection", "close")
        else:
            request.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            request.send_header(name, text)
        request.end_headers()
        request.wfile.write(body[: fault[1]] if isinstance(fault, tuple) else body)
        if isinstance(fault, tuple) and fault[0] == "stall":
            self.stalled.wait(60)
        request.close_connection = True

    def _start(self, asked: object, headers: dict[str, str], fault: object) -> int | None:
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("Range", ""))
        if wanted is None or fault == "no ranges":
            return None
        same = asked.get("If-Range") in headers.values() or fault == "ignores If-Range"
        return int(wanted[1]) if same else None

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("Range") for headers in self.seen]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Server()
    thread = threading.Thread(target=served.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.http.shutdown()
    thread.join()
    served.http.server_close()


Files = dict[str, bytes | None]


def tar(files: Files) -> bytes:
    """A gzipped tar; a name without content is a symbolic link."""
    stream = io.BytesIO()
    # Without the time of day in gzip's header: the same files are the same archive.
    with (
        gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            info.size = len(content or b"")
            archive.addfile(info, io.BytesIO(content or b""))
    return stream.getvalue()


def zipped(files: Files) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o120777 if content is None else 0o100644) << 16
            archive.writestr(info, content or b"/etc/passwd")
    return stream.getvalue()


PACK = {"tar": tar, "zip": zipped}
PLAIN: Files = {"set/data/a.bin": NOISE, "set/data/more/b.txt": b"b", "set/README": b"not wanted"}

Fetch = Callable[..., list[Outcome]]


@pytest.fixture
def fetch(server: Server, tmp_path: Path) -> Fetch:
    """Downloads a dataset of one archive, which the server has, to tmp_path/root."""

    def fetch(
        content: bytes | None = None, kind: str = "tar", headers: dict | None = None, **more: object
    ) -> list[Outcome]:
        arguments = {"given": more.pop("given", None), "convert": more.pop("convert", None)}
        attempts = more.pop("attempts", 4)
        if content is not None:
            server.put(f"/set.{kind}", content, **(headers or {}))
        settings = {"size": 1, "exact": False, "unpacked": 1, "contents": (("set/data", "set"),)}
        settings |= {"sha256": None, **more}
        archive = Archive(part="all", url=f"{server.base}/set.{kind}", kind=kind, **settings)
        return download(
            "set",
            tmp_path / "root",
            catalogue={"set": Dataset("a set", "", ("free",), (archive,), "")},
            patience=Patience(attempts, 0.001),
            progress=False,
            **arguments,
        )

    return fetch


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", PACK)
def test_what_is_wanted_is_unpacked_and_nothing_else(fetch: Fetch, root: Path, kind: str) -> None:
    content = PACK[kind](PLAIN)
    (outcome,) = fetch(content, kind, sha256=_digest(content), size=len(content), exact=True)
    assert (outcome.files, outcome.sha256, outcome.trusted) == (2, _digest(content), False)
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert files == {"set/a.bin", "set/more/b.txt", f"{FOLDER}/set.{kind}.done", f"{FOLDER}/lock"}
    assert (root / "set/a.bin").read_bytes() == NOISE


def test_what_is_there_is_not_fetched_again(fetch: Fetch, server: Server) -> None:
    fetch(tar(PLAIN))
    (outcome,) = fetch(tar(PLAIN))
    assert outcome.sha256 is None
    assert "was there already" in str(outcome)
    assert len(server.seen) == 1


def test_a_transfer_cut_short_goes_on_where_it_was(
    fetch: Fetch, server: Server, root: Path
) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", 100_000), ("cut", 100_000)]
    (outcome,) = fetch(content)
    assert outcome.sha256 == _digest(content)
    assert server.ranges == [None, "bytes=100000-", "bytes=200000-"]
    assert server.seen[1]["If-Range"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert not list((root / FOLDER).glob("*.part*"))


def test_a_later_call_goes_on_where_it_was(fetch: Fetch, server: Server) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", 100_000)]
    with pytest.raises(PipelineError, match="1 failures in a row") as failed:
        fetch(content, attempts=1)
    assert "goes on from 100,000 bytes" in failed.value.remedy
    assert fetch(content)[0].sha256 == _digest(content)
    assert server.ranges == [None, "bytes=100000-"]


KILLED = """
from pathlib import Path
from pipelines.download import Archive, Dataset, download
archive = Archive("all", {url!r}, 1, 1, (("set/data", "set"),), "tar", exact=False)
catalogue = {{"set": Dataset("a set", "", (), (archive,), "")}}
download("set", Path({root!r}), catalogue=catalogue, progress=False)
"""


def test_a_killed_download_goes_on_where_it_was(fetch: Fetch, server: Server, root: Path) -> None:
    content = tar(PLAIN)
    url = server.put("/set.tar", content)
    server.faults = [("stall", 200_000)]
    program = KILLED.format(url=url, root=str(root))
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        part = root / FOLDER / "set.tar.part"
        while not part.is_file() or part.stat().st_size < 150_000:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    server.stalled.set()
    assert fetch(content)[0].sha256 == _digest(content)
    begun = int(re.fullmatch(r"bytes=(\d+)-", server.ranges[1])[1])
    assert 150_000 <= begun <= 200_000


def test_progress_renews_patience_and_its_absence_ends_it(fetch: Fetch, server: Server) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", 50_000)] * 5
    assert fetch(content, attempts=2)[0].sha256 == _digest(content)
    assert len(server.seen) == 6


@pytest.mark.parametrize("fault", [("cut", 0), 503])
def test_no_progress_is_an_error(fetch: Fetch, server: Server, fault: object) -> None:
    server.faults = [("cut", 1000), *[fault] * 9]
    with pytest.raises(PipelineError, match="3 failures in a row"):
        fetch(tar(PLAIN), attempts=3)


@pytest.mark.parametrize("fault", [None, "ignores If-Range"])
def test_a_file_that_changed_meanwhile_is_fetched_anew(
    fetch: Fetch, server: Server, fault: str | None
) -> None:
    old, new = tar(PLAIN), tar({**PLAIN, "set/data/c.bin": NOISE[::-1]})
    server.faults = [("cut", 100_000)]
    with pytest.raises(PipelineError):
        fetch(old, attempts=1)
    server.faults = [fault] if fault else []
    assert fetch(new)[0].sha256 == _digest(new)


@pytest.mark.parametrize("fault", ["no ranges", "another range", 416])
def test_a_server_that_cannot_go_on(fetch: Fetch, server: Server, fault: object) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", 100_000), fault]
    assert fetch(content)[0].sha256 == _digest(content)


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": 'W/"weak"', "Last_Modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, "Sun, 06"),
        ({"X_Nothing": "to tell versions by"}, None),
    ],
)
def test_versions_are_told_by_what_tells_them(
    fetch: Fetch, server: Server, headers: dict, validator: str | None
) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", 100_000)]
    assert fetch(content, headers=headers)[0].sha256 == _digest(content)
    if validator:
        assert server.ranges[1] == "bytes=100000-"
        assert server.seen[1]["If-Range"].startswith(validator)
    else:
        assert server.ranges == [None, None], "no way to know that the rest belongs to it"


def test_a_part_that_was_whole_already(fetch: Fetch, server: Server, root: Path) -> None:
    content = tar(PLAIN)
    server.faults = [("cut", len(content) - 1)]
    with pytest.raises(PipelineError):
        fetch(content, attempts=1)
    with (root / FOLDER / "set.tar.part").open("ab") as file:
        file.write(content[-1:])  # and the process died before it could rename it
    assert fetch(content)[0].sha256 == _digest(content)
    assert server.ranges[1] == f"bytes={len(content)}-"
    assert len(server.seen) == 2


def test_a_server_that_tells_no_length(fetch: Fetch, server: Server) -> None:
    content = tar(PLAIN)
    server.faults = ["no length"]
    assert fetch(content)[0].sha256 == _digest(content)


def test_trouble_that_passes(fetch: Fetch, server: Server) -> None:
    server.faults = [503, 429, 500]
    fetch(tar(PLAIN))
    assert len(server.seen) == 4


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_an_error_at_once(fetch: Fetch, server: Server, status: int) -> None:
    server.faults = [status]
    with pytest.raises(PipelineError, match=f"a file at http.*, found {status}"):
        fetch(tar(PLAIN))
    assert len(server.seen) == 1


def test_a_server_that_is_not_there(fetch: Fetch, server: Server) -> None:
    server.http.shutdown()
    server.http.socket.close()
    with pytest.raises(PipelineError, match="2 failures in a row, the last one: "):
        fetch(attempts=2)


def test_a_file_that_moved(fetch: Fetch, server: Server) -> None:
    content = tar(PLAIN)
    server.put("/set.tar", b"", Location="/elsewhere.tar")
    server.put("/elsewhere.tar", content)
    assert fetch()[0].sha256 == _digest(content)


def test_another_size_is_another_file(fetch: Fetch, root: Path) -> None:
    with pytest.raises(PipelineError, match="1,234 bytes at http"):
        fetch(tar(PLAIN), size=1234, exact=True)
    assert not (root / "set").exists()


def test_a_wrong_hash_leaves_nothing(fetch: Fetch, root: Path) -> None:
    content = tar(PLAIN)
    with pytest.raises(WrongDigest, match="the digest in the catalogue") as wrong:
        fetch(content[:-1] + b"?", sha256=_digest(content))
    assert wrong.value.expected.startswith(f"SHA-256 {_digest(content)}")
    assert not (root / "set").exists()
    assert {path.name for path in (root / FOLDER).iterdir()} == {"lock"}
    assert fetch(content, sha256=_digest(content))[0].files == 2, "the next one is right"


def test_without_a_digest_the_first_is_trusted_and_kept_to(
    fetch: Fetch, root: Path, tmp_path: Path
) -> None:
    content = tar(PLAIN)
    (outcome,) = fetch(content)
    assert outcome.trusted
    assert "TRUSTED ON FIRST USE" in str(outcome)
    (root / "set").rename(tmp_path / "gone")
    with pytest.raises(WrongDigest, match="the digest of the first download, 20"):
        fetch(tar({**PLAIN, "set/data/c": b"c"}))
    assert not fetch(content)[0].trusted


def test_a_damaged_first_download_is_not_trusted(fetch: Fetch, root: Path) -> None:
    with pytest.raises(PipelineError, match="an undamaged tar archive"):
        fetch(tar(PLAIN)[:-40_000])
    assert not (root / FOLDER / "digests.json").exists()
    (root / FOLDER / "set.tar").unlink()
    assert fetch(tar(PLAIN))[0].trusted


def test_a_digest_that_the_user_vouches_for(fetch: Fetch) -> None:
    content, other = tar(PLAIN), "0" * 64
    with pytest.raises(WrongDigest, match="the digest that you gave"):
        fetch(content, sha256=_digest(content), given={"all": other})
    given = {"all": _digest(content)}
    assert fetch(content, sha256=other, size=5, exact=True, given=given)[0].files == 2


@pytest.mark.parametrize("kind", PACK)
@pytest.mark.parametrize("name", ["set/data/../../evil", "/set/data/evil", "../evil"])
def test_names_that_leave_the_archive(
    fetch: Fetch, root: Path, tmp_path: Path, kind: str, name: str
) -> None:
    with pytest.raises(PipelineError, match=r"names inside set.* that stay there"):
        fetch(PACK[kind]({"set/data/a": b"a", name: b"evil"}), kind)
    assert not list(tmp_path.rglob("evil"))
    assert not (root / "set").exists()


@pytest.mark.parametrize("kind", PACK)
def test_links_are_refused(fetch: Fetch, root: Path, kind: str) -> None:
    with pytest.raises(PipelineError, match="'set/data/link', a link or device"):
        fetch(PACK[kind]({"set/data/a": b"a", "set/data/link": None}), kind)
    assert not (root / "set").exists()


@pytest.mark.parametrize("kind", PACK)
def test_litter_is_left_out(fetch: Fetch, root: Path, kind: str) -> None:
    litter: Files = {"set/data/._a.jpg": b"", "set/data/Thumbs.db": b"", "set/link": None}
    assert fetch(PACK[kind]({"set/data/a.jpg": b"a", **litter}), kind)[0].files == 1


@pytest.mark.parametrize("kind", PACK)
def test_damaged_archives(fetch: Fetch, root: Path, kind: str) -> None:
    content = bytearray(PACK[kind](PLAIN))
    content[150_000] ^= 0xFF
    with pytest.raises(PipelineError, match=f"an undamaged {kind} archive"):
        fetch(bytes(content), kind)
    assert not (root / "set").exists()


def test_an_archive_of_something_else(fetch: Fetch) -> None:
    with pytest.raises(PipelineError, match=r"set/data/ in set\.tar, found no file"):
        fetch(tar({"other/a": b"a"}))


def test_unpacking_that_was_interrupted_is_done_again(
    fetch: Fetch, server: Server, root: Path
) -> None:
    staging = root / FOLDER / "set.tar.unpacked" / "set"
    staging.mkdir(parents=True)
    (staging / "half").write_bytes(b"of an earlier call")
    (root / FOLDER / "set.tar").write_bytes(tar(PLAIN))
    assert fetch(tar(PLAIN))[0].files == 2
    assert server.seen == [], "the archive was here"
    assert not (root / "set" / "half").exists()


def test_a_mark_alone_is_no_dataset(fetch: Fetch, root: Path) -> None:
    fetch(tar(PLAIN))
    (root / "set").rename(root / "moved")
    assert fetch(tar(PLAIN))[0].files == 2


def test_what_somebody_else_put_there_is_left_alone(
    fetch: Fetch, server: Server, root: Path
) -> None:
    (root / "set").mkdir(parents=True)
    (root / "set" / "own").write_text("precious")
    with pytest.raises(PipelineError, match="something that this command did not put there"):
        fetch(tar(PLAIN))
    assert (root / "set" / "own").read_text() == "precious"
    assert server.seen == []


def test_a_disk_that_is_too_small(fetch: Fetch, server: Server) -> None:
    with pytest.raises(PipelineError, match=r"GB free for download and unpacking"):
        fetch(tar(PLAIN), unpacked=10**18)
    assert server.seen == []


def test_a_root_that_cannot_be_written(fetch: Fetch, root: Path) -> None:
    root.write_text("a file")
    with pytest.raises(PipelineError, match="a folder to write to"):
        fetch(tar(PLAIN))


def test_two_downloads_at_once(fetch: Fetch, root: Path) -> None:
    (root / FOLDER).mkdir(parents=True)
    with (root / FOLDER / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(PipelineError, match="no other download to"):
            fetch(tar(PLAIN))


def test_weights_go_through_the_converter(fetch: Fetch, root: Path) -> None:
    def convert(source: Path, target: Path, backbone: str) -> None:
        target.write_bytes(backbone.encode() + source.read_bytes())

    contents = (("alexnet", "weights/alexnet.safetensors"),)
    fetch(b"pickle", "weights", contents=contents, convert=convert)
    assert (root / "weights/alexnet.safetensors").read_bytes() == b"alexnetpickle"
    assert not list((root / FOLDER).glob("*.weights"))


def test_weights_without_a_converter(
    fetch: Fetch, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "entry_points", lambda group: [])
    with pytest.raises(PipelineError, match=r"entry point pipelines\.weights"):
        fetch(b"pickle", "weights", contents=(("alexnet", "weights/alexnet.safetensors"),))
    assert server.seen == []


@pytest.mark.parametrize("layout", ["bsds500", "bsds300"])
def test_bsds_as_run_finds_it(samples: Path, server: Server, root: Path, layout: str) -> None:
    (images, *_) = [path for path in (samples / layout).rglob("images") if path.is_dir()]
    prefix = {"bsds500": "BSR/BSDS500/data", "bsds300": "BSDS300"}[layout]
    content = tar(
        {
            f"{prefix}/{path.relative_to(images.parent)}": path.read_bytes()
            for path in sorted(images.parent.rglob("*"))
            if path.is_file()
        }
    )
    real = CATALOGUE[layout]
    archives = tuple(
        Archive(
            part=each.part,
            url=server.put(f"/{each.name}", content),
            size=len(content),
            unpacked=1,
            contents=each.contents,
            kind=each.kind,
        )
        for each in real.archives
    )
    local = Dataset(real.title, real.homepage, real.terms, archives, real.next)
    download(layout, root, catalogue={layout: local}, progress=False)
    named = re.search(r"--root \{root\}(\S*)", real.next)[1]
    assert len(bsds.discover(Path(f"{root}{named}")).records) == 8
    assert len(bsds.discover(root).records) == 8, "and by WORKBENCH_DATA alone"


def test_parts(server: Server, root: Path) -> None:
    content = zipped(PLAIN)
    archives = tuple(
        Archive(name, server.put(f"/{name}.zip", content), 1, 1, (("set/data", name),), "zip")
        for name in ("one", "two")
    )
    inexact = tuple(
        Archive(**{**vars(each), "exact": False, "sha256": _digest(content)}) for each in archives
    )
    catalogue = {"set": Dataset("a set", "", (), inexact, "")}
    told: list[str] = []
    download(
        "set", root, parts=["two"], catalogue=catalogue, progress=False, say=told.append, keep=True
    )
    assert [line.partition(":")[0] for line in told] == ["two"]
    assert not (root / "one").exists()
    assert (root / FOLDER / "two.zip").read_bytes() == content, "kept"
    with pytest.raises(PipelineError, match="parts out of one, two, found three"):
        download("set", root, parts=["three"], catalogue=catalogue, progress=False)
    with pytest.raises(PipelineError, match="a dataset out of set, found 'other'"):
        download("other", root, catalogue=catalogue, progress=False)


def test_the_catalogue_is_in_order() -> None:
    archives = [archive for each in CATALOGUE.values() for archive in each.archives]
    assert len({archive.name for archive in archives}) == len(archives)
    for archive in archives:
        assert archive.sha256 is None or re.fullmatch("[0-9a-f]{64}", archive.sha256)
        if archive.kind == "weights":  # torchvision's names state the digest's beginning
            assert archive.sha256.startswith(re.search("-([0-9a-f]{8})[.]pth", archive.name)[1])
        if not archive.url.startswith("https://"):
            assert archive.sha256, "nothing else would protect it"
    assert all(each.terms for each in CATALOGUE.values())


@pytest.mark.parametrize("name", CATALOGUE)
def test_dry_run_states_terms_sizes_and_digests(name: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, [name, "--root", str(tmp_path), "--dry-run"])
    assert result.exit_code == 0, result.output
    for archive in CATALOGUE[name].archives:
        assert archive.url in result.output
        assert (archive.sha256 or "nobody has published a digest") in result.output
    for term in CATALOGUE[name].terms:
        assert term in result.output
    assert list(tmp_path.iterdir()) == []


def test_dry_run_knows_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "coco2017" / "val2017").mkdir(parents=True)
    digests = tmp_path / FOLDER / "digests.json"
    digests.parent.mkdir()
    url = CATALOGUE["bsds500"].archives[0].url
    digests.write_text(json.dumps({url: {"sha256": "ab" * 32, "first_seen": "2026-01-02"}}))
    arguments = ["--root", str(tmp_path), "--dry-run"]
    shown = CliRunner().invoke(command, ["coco2017", "--parts", "val", *arguments]).output
    assert "there already, and not by this command" in shown
    assert "train2017" not in shown
    shown = CliRunner().invoke(command, ["bsds500", *arguments]).output
    assert f"SHA-256 {'ab' * 32}, the digest of the first download, 2026-01-02" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sha256", "data=short"], "PART=DIGEST, 64 hex digits"),
        (["--parts", "moon"], "parts out of data, found moon"),
    ],
)
def test_unusable_requests(arguments: list[str], message: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(command, ["bsds500", "--root", str(tmp_path), *arguments])
    assert isinstance(result.exception, PipelineError)
    assert message in str(result.exception)
