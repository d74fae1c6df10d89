"""Cameras: pixel formats, streams that are never late, lost and changed cameras, and real GenICam frames."""

import json
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

import stations
from fake_inspector import photograph
from platewatch import cli
from platewatch.arrays import Array
from platewatch.errors import InputError
from platewatch.line.cameras import aravis, pixel_formats
from platewatch.line.cameras.aravis import AravisDriver
from platewatch.line.cameras.each_frame import EachFrame
from platewatch.line.cameras.frames import NoFrame
from platewatch.line.cameras.opencv import OpenCvDriver
from platewatch.line.cameras.parts import CameraParts, encode
from platewatch.line.cameras.sources import camera_addresses
from platewatch.line.cameras.stillness import Stillness
from platewatch.line.cameras.stream import CameraLost, RawFrame, Stream, Trigger
from platewatch.line.devices import DevicePlan
from platewatch.photographs import reading
from waiting import eventually

WIDTH, HEIGHT = 12, 4
DEPTH_12: Array = np.random.default_rng(19).integers(0, 4096, WIDTH * HEIGHT).astype(np.uint16)


def bits_of(values: Array, depth: int) -> Array:
    """The values one after the other, lowest bit first, as PFNC's `p` formats are defined."""
    bits = (values[:, None] >> np.arange(depth)) & 1
    packed: Array = np.packbits(bits.ravel().astype(np.uint8), bitorder="little")
    return packed


def gige_packed(values: Array, depth: int) -> Array:
    """GigE Vision 1: high byte, both low parts in one byte, high byte."""
    low = values & (2 ** (depth - 8) - 1)
    pairs = np.stack([values[::2] >> (depth - 8), low[::2] | (low[1::2] << 4), values[1::2] >> (depth - 8)], axis=1)
    return pairs.astype(np.uint8).ravel()


GREY = {
    "Mono8": (DEPTH_12 >> 4).astype(np.uint8),
    "Mono10": (DEPTH_12 >> 2).astype("<u2").view(np.uint8),
    "Mono12": DEPTH_12.astype("<u2").view(np.uint8),
    "Mono16": (DEPTH_12 << 4).astype("<u2").view(np.uint8),
    "Mono10p": bits_of(DEPTH_12 >> 2, 10),
    "Mono12p": bits_of(DEPTH_12, 12),
    "Mono10Packed": gige_packed(DEPTH_12 >> 2, 10),
    "Mono12Packed": gige_packed(DEPTH_12, 12),
}


@pytest.mark.parametrize("name", GREY)
def test_grey_of_any_depth_and_packing_is_the_same_picture(name: str) -> None:
    found = pixel_formats.to_rgb(GREY[name], WIDTH, HEIGHT, name)
    expected = (DEPTH_12 >> 4).astype(np.uint8).reshape(HEIGHT, WIDTH)
    assert found.dtype == np.uint8
    assert all(np.array_equal(found[..., channel], expected) for channel in range(3))


@pytest.mark.parametrize(("name", "order"), [("RGB8", "RGB"), ("BGR8", "BGR"), ("RGBa8", "RGBa"), ("BGRa8", "BGRa")])
def test_colour_keeps_its_order(name: str, order: str) -> None:
    values = {"R": 200, "G": 100, "B": 30, "a": 7}
    data = np.tile(np.array([values[each] for each in order], np.uint8), WIDTH * HEIGHT)
    assert pixel_formats.to_rgb(data, WIDTH, HEIGHT, name)[2, 3].tolist() == [200, 100, 30]


@pytest.mark.parametrize("name", ["RG", "GR", "GB", "BG"])
def test_bayer_is_named_by_its_first_two_pixels(name: str) -> None:
    values = {"R": 200, "G": 100, "B": 30}
    second = {"RG": "GB", "GR": "BG", "GB": "RG", "BG": "GR"}[name]
    raw = np.tile(np.array([[values[each] for each in row] for row in (name, second)], np.uint8), (8, 8))
    assert pixel_formats.to_rgb(raw.ravel(), 16, 16, f"Bayer{name}8")[8, 8].tolist() == [200, 100, 30]


def test_other_formats_are_refused_by_name_and_cut_buffers_too() -> None:
    with pytest.raises(InputError, match="pixel format Coord3D_C16"):
        pixel_formats.to_rgb(np.zeros(96, np.uint8), WIDTH, HEIGHT, "Coord3D_C16")
    for size in (47, 49, 0):
        with pytest.raises(InputError, match=f"{size} bytes for 12×4 px of Mono8"):
            pixel_formats.to_rgb(np.zeros(size, np.uint8), WIDTH, HEIGHT, "Mono8")


class FakeDriver:
    """Frames that the test sends; a camera that can be unplugged and changed."""

    def __init__(self) -> None:
        self.frames, self.there, self.fired = deque[RawFrame](), threading.Event(), 0
        self.there.set()
        self.values, self.opened, self.closed = {"Width": "64"}, list[dict[str, str]](), 0
        self.answers: RawFrame | None = None

    def open(self, _trigger: Trigger, settings: Mapping[str, str]) -> None:
        if not self.there.is_set():
            raise CameraLost("does not answer")
        self.opened.append(dict(settings))
        self.values |= settings

    def settings(self) -> dict[str, str]:
        return dict(self.values)

    def fire(self) -> None:
        self.fired += 1
        if self.answers is not None:
            self.frames.append(self.answers)

    def read(self, _wait_s: float) -> RawFrame | None:
        if not self.there.is_set():
            raise CameraLost("sends no more")
        return self.frames.popleft() if self.frames else None

    def close(self) -> None:
        self.closed += 1

    def send(self, redness: int, fault: str = "") -> None:
        self.frames.append(raw(redness, fault))


def raw(redness: int, fault: str = "") -> RawFrame:
    pixels, _ = photograph(redness)
    return RawFrame(pixels.ravel(), pixels.shape[1], pixels.shape[0], "RGB8", fault)


@contextmanager
def streaming(trigger: Trigger = Trigger.FREE) -> Iterator[tuple[Stream, FakeDriver]]:
    driver = FakeDriver()
    stream = Stream("cam", driver, trigger)
    stream.start()
    try:
        eventually(lambda: driver.opened and not stream._lost)
        yield stream, driver
    finally:
        stream.stop()
        assert driver.closed >= len(driver.opened)  # an attempt to open that failed is closed too


def same(found: Any, redness: int) -> bool:
    return np.array_equal(found, photograph(redness)[0])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platewatch.line.cameras.stream._SETTINGS_S", 0.0)
    monkeypatch.setattr("platewatch.line.cameras.stream._REOPEN_S", 0.01)
    monkeypatch.setattr("platewatch.line.cameras.stream._SHOWN_S", 0.0)


def test_a_free_running_camera_s_old_frames_are_never_a_part_s() -> None:
    with streaming() as (stream, driver):
        for redness in (1, 2, 3):
            driver.send(redness)
        eventually(lambda: not driver.frames)
        taking = threading.Thread(target=lambda: found.append(stream.take("", 60).photograph))
        found = list[Any]()
        taking.start()
        eventually(lambda: not stream._frames)
        driver.send(10)  # may have been exposed before the trigger
        eventually(lambda: stream._frames)
        assert not found
        driver.send(0, "lost packets")
        driver.send(20)
        taking.join()
        assert same(found[0], 20)


def test_a_software_trigger_gives_its_own_frame_and_a_broken_one_is_said() -> None:
    with streaming(Trigger.SOFTWARE) as (stream, driver):
        driver.send(1)
        eventually(lambda: stream._frames)
        driver.answers = raw(7)
        assert same(stream.take("", 60).photograph, 7)
        driver.answers = raw(8, "lost packets")
        with pytest.raises(NoFrame, match=r"not whole \(lost packets\)"):
            stream.take("", 60)
        driver.answers = RawFrame(np.zeros(5, np.uint8), 64, 48, "Mono8")
        with pytest.raises(NoFrame, match="5 bytes for 64×48 px"):
            stream.take("", 60)
        assert driver.fired == 3
        driver.answers = None
        with pytest.raises(NoFrame, match="no frame from camera cam within 0 ms"):
            stream.take("", 0)


def test_two_frames_of_a_camera_with_a_line_of_its_own_are_not_one_part() -> None:
    with streaming(Trigger.LINE) as (stream, driver):
        driver.send(5)
        assert same(stream.take("", 60).photograph, 5)
        driver.send(6)
        driver.send(7)
        eventually(lambda: len(stream._frames) == 2)
        with pytest.raises(NoFrame, match="2 frames for one part"):
            stream.take("", 60)
        for redness in (8, 9):
            driver.send(redness)
        assert [same(getattr(stream.next(60), "photograph", None), redness) for redness in (8, 9)] == [True, True]
        assert stream.next(0) is None


@pytest.mark.usefixtures("quick")
def test_a_lost_camera_is_said_and_comes_back_by_itself() -> None:
    with streaming() as (stream, driver):
        driver.there.clear()
        found = eventually(lambda: list(stream.problems()))
        assert found[0] == ("camera_lost", "camera cam: does not answer; parts wait until it is back", True) or (
            "sends no more" in found[0][1]
        )
        with pytest.raises(NoFrame, match="camera cam"):
            stream.take("", 60)
        driver.there.set()
        eventually(lambda: not list(stream.problems()))


@pytest.mark.usefixtures("quick")
def test_settings_that_were_changed_from_outside_are_said_and_put_back() -> None:
    with streaming() as (stream, driver):
        driver.values = {"Width": "32"}
        eventually(lambda: len(driver.opened) == 2)
        assert driver.opened == [{}, {"Width": "64"}]
        assert "Width 64 → 32" in stream._message


def test_a_frame_becomes_a_row_with_the_hash_of_its_pixels_and_its_photograph(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here, streaming(Trigger.SOFTWARE) as (stream, driver):
        for number, (kind, redness) in enumerate((("png", 125), ("bmp", 0), ("jpeg", 0)), 1):
            driver.answers = raw(redness)
            parts = CameraParts(here.station.line, stream, kind)
            entry = parts.judge(f"A-{number}", 60).entry
            pixels = photograph(redness)[0]
            assert (entry.number, entry.plate_id, entry.source) == (number, f"A-{number}", "camera cam")
            assert entry.inspection.image_sha256 == reading.sha256(pixels)
            stored = here.station.pictures.photograph(number)
            assert entry.photograph_sha256 == reading.sha256(stored)
            if kind != "jpeg":
                assert np.array_equal(reading.read(stored), pixels)
        driver.answers = None
        with pytest.raises(NoFrame):
            parts.judge("A-4", 0)
        missing = here.records.get(4)
        assert (missing.outcome, missing.plate_id, missing.photograph_sha256) == ("FAILED", "A-4", None)
        assert "no frame from camera cam" in (missing.inspection.error or "")


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp"])
def test_stored_formats_are_what_they_say(kind: str) -> None:
    data = encode(photograph(100)[0], kind)
    assert reading.read(data).shape == (48, 64, 3)
    assert data.startswith({"png": b"\x89PNG", "jpeg": b"\xff\xd8", "bmp": b"BM"}[kind])


def test_a_camera_that_opencv_reads_keeps_its_colours(tmp_path: Path) -> None:
    """A film in place of a camera; its end is a camera that is lost."""
    file = str(tmp_path / "film.avi")
    film = cv2.VideoWriter(file, cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(3):
        film.write(np.full((48, 64, 3), (30, 100, 200), np.uint8))  # blue, green, red
    film.release()
    driver = OpenCvDriver(file)
    driver.open(Trigger.FREE, {})
    frame = driver.read(1)
    assert frame is not None
    pixels = pixel_formats.to_rgb(frame.data, frame.width, frame.height, frame.pixel_format)
    assert np.abs(pixels.astype(int) - (200, 100, 30)).max() < 8
    assert driver.settings() == {"Width": "64", "Height": "48"}
    with pytest.raises(CameraLost, match="sends no more"):
        [driver.read(1) for _ in range(3)]
    driver.close()
    with pytest.raises(CameraLost, match="does not answer"):
        OpenCvDriver(str(tmp_path / "none.avi")).open(Trigger.FREE, {})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("video:0", "one of folder:"),
        ("usb:first", "the camera's number"),
        ("genicam:x.cti?trigger=never", "trigger=free|software|line|still"),
        ("genicam:x.cti?colour=red", "colour=red"),
        ("genicam:", "KIND:ADDRESS"),
    ],
)
def test_cameras_that_cannot_be_are_refused(words: str, says: str) -> None:
    with pytest.raises(InputError) as found:
        camera_addresses([words])
    assert says in str(found.value)


def test_two_cameras_need_two_names() -> None:
    with pytest.raises(InputError, match="two are called usb"):
        camera_addresses(["usb:0", "usb:1"])
    first, second = camera_addresses(["left@hinge-left=usb:0", "genicam:/opt/x.cti:SN7?trigger=software&store=jpeg"])
    assert first.part_type == "hinge-left"
    (network,) = camera_addresses(["rtsp://user@camera/stream?channel=1"])
    assert (network.name, network.address, network.part_type) == ("rtsp", "//user@camera/stream?channel=1", "")
    assert (first.name, second.name, second.address) == ("left", "genicam", "/opt/x.cti:SN7")
    assert (second.trigger, second.store) == (Trigger.SOFTWARE, "jpeg")


def producer() -> str:
    genicam = pytest.importorskip("genicam", reason="the extra genicam is not installed")
    return str(next(Path(genicam.__file__).parent.glob("*.cti")))


def test_a_frame_of_a_real_gentl_producer_becomes_a_record(tmp_path: Path) -> None:
    """`viky.cti` comes with the genicam wheel: three cameras of 400×400 px without hardware."""
    from platewatch.line.cameras import genicam

    found = genicam.listed(Path(producer()))
    assert [each["id"] for each in found] == ["VikyTL_DEV_red", "VikyTL_DEV_green", "VikyTL_DEV_blue"]
    address = camera_addresses([f"viky=genicam:{producer()}:VikyTL_DEV_green", f"genicam:{producer()}:VikyTL_DEV_red"])
    with stations.running(tmp_path, devices=DevicePlan(cameras=address)) as here:  # two cameras of one producer
        parts = here.station.devices.cameras["viky"]
        eventually(lambda: not list(here.station.devices.problems()))
        entry = parts.judge("A-17", 60).entry
        assert (entry.source, entry.plate_id) == ("camera viky", "A-17")
        assert entry.outcome in {"PASS", "REVIEW", "REJECT"}
        photo = reading.read(here.station.pictures.photograph(entry.number))
        assert photo.shape == (400, 400, 3)
        assert photo.mean(axis=(0, 1)).argmax() == 1  # the green one's


def test_a_producer_or_a_camera_that_is_not_there_is_named(tmp_path: Path) -> None:
    from platewatch.line.cameras.genicam import GenicamDriver, listed

    with pytest.raises(InputError, match="no such GenTL producer"):
        listed(tmp_path / "vendor.cti")
    driver = GenicamDriver(Path(producer()), "VikyTL_DEV_white")
    with pytest.raises(CameraLost, match="VikyTL_DEV_white is not there"):
        driver.open(Trigger.FREE, {})
    driver.close()
    driver = GenicamDriver(Path(producer()), "VikyTL_DEV_red")
    with pytest.raises(InputError, match="has no TriggerMode"):
        driver.open(Trigger.SOFTWARE, {})
    driver.close()


def test_a_camera_is_triggered_by_http(tmp_path: Path) -> None:
    address = camera_addresses([f"viky=genicam:{producer()}:VikyTL_DEV_green?store=bmp"])
    with stations.running(tmp_path, devices=DevicePlan(cameras=address)) as here:
        eventually(lambda: not list(here.station.devices.problems()))
        answer = here.client.post("/cameras/viky/trigger?plate_id=A-17&wait_ms=60000", headers={"Accept": "text/plain"})
        assert (answer.status_code, answer.text.split()[1]) == (201, "1")
        assert here.records.get(1).plate_id == "A-17"
        assert here.client.get("/cameras").json() == {
            "cameras": [{"name": "viky", "kind": "genicam", "trigger": "free", "problems": []}]
        }
        view = here.client.get("/cameras/viky/view").json()
        assert (view["width"], view["height"], len(view["histogram"])) == (400, 400, 32)
        assert sum(view["histogram"]) == pytest.approx(1, abs=0.01)
        assert view["sharpness"] > 0
        picture = here.client.get("/cameras/viky/picture.jpg?n=7")
        assert reading.read(picture.content).shape == (400, 400, 3)
        for page, words in {"/line": 'data-camera="viky"', "/health": "Live pictures"}.items():
            assert words in here.client.get(page).text
        missing = here.client.post("/cameras/top/trigger")
        assert (missing.status_code, missing.json()["error"]["expected"]) == (404, "one of: viky")
        here.station.devices.cameras["viky"].source.stop()
        gone = here.client.post("/cameras/viky/trigger?wait_ms=20")
        assert (gone.status_code, gone.json()["error"]["code"]) == (503, "no_frame")
        assert here.records.get(2).outcome == "FAILED"


def test_each_frame_of_a_camera_with_its_own_trigger_has_one_row_in_order(tmp_path: Path) -> None:
    """Also the one that is not whole; while the record cannot be written they wait."""
    with stations.running(tmp_path) as here, streaming(Trigger.LINE) as (stream, driver):
        each = EachFrame(CameraParts(here.station.line, stream, "bmp"), stream)
        for redness, fault in ((0, ""), (125, ""), (0, "lost packets"), (80, "")):
            driver.send(redness, fault)
        each.start()
        eventually(lambda: here.records.counts().received == 4)
        each.stop()
        assert [here.records.get(number).outcome for number in (1, 2, 3, 4)] == ["PASS", "REJECT", "FAILED", "REVIEW"]
        assert "lost packets" in (here.records.get(3).inspection.error or "")


def view(part_at: int | None, seed: int, light: float = 100) -> Array:
    """An empty view with noise, and a part whose left edge is there."""
    noise = np.random.default_rng(seed).normal(0, 3, (96, 128, 3))
    photo = np.full((96, 128, 3), light) + noise
    if part_at is not None:
        photo[30:60, max(0, part_at) : max(0, part_at + 30)] += 60
    return np.clip(photo, 0, 255).astype(np.uint8)


def test_a_part_is_told_once_when_it_lies_still_and_the_light_may_change() -> None:
    stillness, told = Stillness(), list[str]()
    scenes: list[tuple[str, list[int | None]]] = [("empty", [None] * 8)]
    for name in ("first", "second"):
        scenes += [(f"{name} comes", [-20, 0, 20, 40]), (name, [50] * 12)]
        scenes += [(f"{name} goes", [70, 90, 110]), ("empty", [None] * 8)]
    number = 0
    for name, places in scenes:
        for at in places:
            number += 1
            if stillness.add(view(at, number, light=100 + number / 4)):
                told.append(name)
    assert told == ["first", "second"]
    stillness.add(view(50, 999))
    stillness.is_empty_now()
    assert [stillness.add(view(50, 1000 + at)) for at in range(8)] == [False] * 8


def test_a_part_that_lies_still_in_view_is_judged_once(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here, streaming(Trigger.STILL) as (stream, driver):
        each = EachFrame(CameraParts(here.station.line, stream, "bmp"), stream)
        each.start()

        def show(part_at: int | None, frames: int = 6) -> None:
            for seed in range(frames):
                before = each._number
                driver.frames.append(RawFrame(view(part_at, seed).ravel(), 128, 96, "RGB8"))
                eventually(lambda before=before: each._number > before)  # type: ignore[misc]

        for at in (None, 0, 50, 50, None):
            show(at)
        eventually(lambda: here.records.counts().received == 2)  # at 0 and at 50: it moved between
        each.stop()
        assert here.records.counts().received == 2


def test_the_cameras_are_listed_as_serve_takes_them() -> None:
    listed = CliRunner().invoke(cli.main, ["cameras", "--json", "--cti", producer()])
    words = [each["camera"] for each in json.loads(listed.stdout) if each["camera"].startswith("genicam:")]
    assert [each.kind for each in camera_addresses([f"c{at}={word}" for at, word in enumerate(words)])] == [
        "genicam"
    ] * 3
    missing = CliRunner().invoke(cli.main, ["cameras", "--cti", "none.cti"])
    assert "no such GenTL producer" in missing.stderr


@contextmanager
def gige_camera() -> Iterator[str]:
    """Aravis's GigE Vision device on loopback."""
    process = subprocess.Popen(
        ["arv-fake-gv-camera-0.8", "-i", "127.0.0.1", "-s", "PWTEST"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield "Aravis-Fake-PWTEST"
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(shutil.which("arv-fake-gv-camera-0.8") is None, reason="Debian's aravis-tools are not installed")
def test_a_gige_vision_camera_is_judged_lost_and_found_again(tmp_path: Path) -> None:
    with stations.running(tmp_path) as here:
        with gige_camera() as name:
            if name not in {each["id"] for each in aravis.listed()}:
                pytest.skip("the camera on loopback is not found: another one has its port")
            stream = Stream("gige", AravisDriver(name), Trigger.SOFTWARE)
            parts = CameraParts(here.station.line, stream)
            stream.start()
            eventually(lambda: not list(stream.problems()))
            assert parts.judge("A-17", 60).entry.outcome in {"PASS", "REVIEW", "REJECT"}
            assert reading.read(here.station.pictures.photograph(1)).shape == (512, 512, 3)
        code, message, stops = eventually(lambda: list(stream.problems()))[0]
        assert (code, stops) == ("camera_lost", True)
        assert message.startswith("camera gige: ")
        with gige_camera():
            eventually(lambda: not list(stream.problems()))
            assert parts.judge("A-18", 60).entry.number == 2
            parts.stop()


def test_without_aravis_a_gige_camera_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEWATCH_SYSTEM_PYTHON", "/no/python")
    with pytest.raises(InputError, match=r"/no/python does not start; apt-get install gir1\.2-aravis-0\.8"):
        AravisDriver("any").open(Trigger.FREE, {})
    monkeypatch.setenv("PLATEWATCH_SYSTEM_PYTHON", sys.executable)  # has no bindings of Aravis
    driver = AravisDriver("any")
    with pytest.raises(InputError, match="Aravis is not installed"):
        driver.open(Trigger.FREE, {})
    driver.close()
    assert "GigE Vision cameras are not looked for" in CliRunner().invoke(cli.main, ["cameras"]).stderr
