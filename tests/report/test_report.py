"""The report: what it reads, what it computes, what the page carries."""

import json
import re

import pytest
from command import run_command
from PIL import Image
from report_samples import KODAK, PUBLISHED, ours, peer, write

from codec.errors import CodecError
from codec.report import decodings, page, pictures, read
from codec.report.comparisons import compared
from codec.report.figure import DASHES, GREYS, MARKERS, draw
from codec.report.page import contents, image_count, warnings


@pytest.fixture
def files(tmp_path):
    return write(tmp_path, ours(), peer("jpeg"), peer("avif"))


def data_of(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    return json.loads(found[1])


def test_the_page_carries_everything_and_asks_for_nothing(files):
    text = page(*read([*files, PUBLISHED]))
    assert len(text.encode()) < 6_000_000
    head = text[: text.index("</head>")]
    assert "default-src 'none'" in head
    assert not re.search(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=\"https?:", text)
    for section in ("rate-distortion", "rate-perception", "distortion-perception", "surface"):
        assert f'<section id="{section}"' in text
    assert text.count("<script") - text.count("\\u003cscript") >= 3
    assert "plotly.js v" in text


def test_the_numbers_of_the_files_are_the_numbers_of_the_page(files):
    data = data_of(page(*read(files)))
    labels = [curve["label"] for curve in data["curves"]]
    assert labels[:3] == ["bibcodec, realism 0", "bibcodec, realism 0.5", "bibcodec, realism 1"]
    assert labels[3:] == ["jpeg", "avif"]
    shown = [(p["bpp"], p["values"]["psnr-rgb"]) for p in data["curves"][3]["points"]]
    results = peer("jpeg")["results"]
    assert shown == list(zip(results["bpp"], results["psnr-rgb"], strict=True))
    assert [curve["accent"] for curve in data["curves"]] == [True, True, True, False, False]
    assert data["anchor"] == "jpeg"
    assert data["absent"] == []


def test_theory_lies_on_the_measurements_where_it_holds(files, tmp_path):
    held = contents(*read(files), None)["plane"]
    assert held["theory"] == [pytest.approx(row) for row in held["values"]["psnr-rgb"]]
    (path,) = write(tmp_path, ours(slope=0.2))
    broken = contents(*read([path]), None)["plane"]
    for theory, measured in zip(broken["theory"], broken["values"]["psnr-rgb"], strict=True):
        assert theory[0] == pytest.approx(measured[0])
        assert theory[2] > measured[2] + 0.3  # 10 log10(2.0 / 1.8) dB
    (path,) = write(tmp_path, ours(realisms=(0.0, 1.0)))
    assert set(contents(*read([path]), None)["plane"]["theory"]) == {None}


def test_targets_tell_files_apart_where_qualities_do_not(tmp_path):
    entry = ours()
    targets = [round(bpp, 2) for bpp in entry["results"]["bpp"]]
    entry["results"]["target-bpp"] = targets
    entry["results"]["quality"] = [100] * len(targets)  # means over images: may be equal
    for picture in entry["images"]:
        for point, target in zip(picture["points"], targets, strict=True):
            point |= {"target-bpp": target, "quality": 100}
    plane = contents(*read(write(tmp_path, entry)), None)["plane"]
    assert plane["targets"] == sorted(set(targets))
    assert plane["theory"] == [pytest.approx(row) for row in plane["values"]["psnr-rgb"]]


def test_a_model_without_detail_is_named(tmp_path):
    results, _ = read(write(tmp_path, ours(energy=0.0)))
    assert warnings(results) == []  # the Fréchet distance differs
    same = ours(energy=0.0)
    for key in ("frechet-256", "ms-ssim-rgb"):
        del same["results"][key]
    results, _ = read(write(tmp_path, same))
    assert "synthesizes no detail" in warnings(results)[0]


def test_published_curves_need_the_same_images_and_the_same_metric(files, tmp_path):
    results, published = read([*files, PUBLISHED])
    drawn = contents(results, published, None)["published"]
    assert {"VTM", "MS-ILLM", "HiFiC", "DC-VIC"} <= {curve["name"] for curve in drawn}
    kodak = KODAK["meta"]["images_sha256"]
    assert {curve["images_sha256"] for curve in drawn} == {kodak}
    shown = {metric["key"] for metric in contents(results, published, None)["metrics"]}
    assert "lpips-alex" not in shown
    assert "fid-hific-patches" not in shown
    elsewhere = ours()
    elsewhere["meta"]["images_sha256"] = "00"
    other, _ = read(write(tmp_path, elsewhere))
    assert contents(other, published, None)["published"] == []
    assert contents(other, published, None)["elsewhere"] == len(published)
    assert 0 < contents(results, published, None)["elsewhere"] <= len(published) - len(drawn)
    assert contents([*results, *other], published, None)["published"] == []
    mixed = [*results, *other]
    assert "different images" in warnings(mixed)[0]
    assert contents(mixed, published, None)["bd"] == {}
    assert "bd-rate" in contents(mixed, published, None)["absent"]
    assert warnings(results) == []


def test_bd_rates_of_every_pair(files):
    data = contents(*read(files), "avif")
    assert data["anchor"] == "avif"
    table = data["bd"]["psnr-rgb"]
    percent, back = table["avif"]["jpeg"]["percent"], table["jpeg"]["avif"]["percent"]
    assert percent == pytest.approx(100 * (1 / (1 + back / 100) - 1))
    assert table["avif"]["jpeg"]["shared"] == table["jpeg"]["avif"]["shared"] > 0.5
    known = KODAK["summary"]["JPEG"]["bd_rate_percent"]["AVIF"]  # within 0.03 to 0.35 bpp only
    assert percent == pytest.approx(known, rel=0.15)
    with pytest.raises(CodecError, match="no codec is called vtm: the files have bibcodec"):
        contents(*read(files), "vtm")


HIGH = ([0.1, 0.2], [30.0, 31.0])  # rates, values


@pytest.mark.parametrize(
    ("ours", "why"),
    [
        (([0.05, 0.2], [32.0, 33.0]), "better everywhere"),
        (([0.05, 0.2], [28.0, 29.0]), "worse everywhere"),
        (([0.5, 0.6], [32.0, 33.0]), "nothing shared"),  # better, but at higher rates only
        (([0.01, 0.02], [20.0, 21.0]), "nothing shared"),
        (([0.1], [30.5]), "one point"),
        (([], []), "no data"),
    ],
)
def test_a_comparison_without_a_number_says_why(ours, why):
    def turned(side):
        return side[0], [-value for value in side[1]]

    assert compared(ours, HIGH, True) == {"percent": None, "shared": 0.0, "why": why}
    assert compared(turned(ours), turned(HIGH), False)["why"] == why
    other = {"better everywhere": "worse everywhere", "worse everywhere": "better everywhere"}
    assert compared(HIGH, ours, True)["why"] == other.get(why, why)


def test_sections_without_data_are_left_out(tmp_path):
    bare = peer("jpeg")
    del bare["results"]["frechet-256"]
    data = contents(*read(write(tmp_path, bare)), None)
    assert data["absent"] == ["rate-perception", "distortion-perception", "surface", "bd-rate"]
    one = ours(realisms=(0.0,))
    assert "distortion-perception" in contents(*read(write(tmp_path, one)), None)["absent"]


def test_text_from_a_file_cannot_become_code(tmp_path):
    evil = peer("jpeg")
    evil["name"] = "</script><script>alert(1)</script>"
    evil["description"] = evil["meta"]["note"] = "<img src=x onerror=alert(2)>"
    path = tmp_path / "evil.json"
    path.write_text(json.dumps(evil))
    text = page(*read([path]))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert data_of(text)["curves"][0]["codec"] == evil["name"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ("[" * 100_000, "nested too deeply"),
        ("{}", "'results' is missing"),
        ('{"results": {"bpp": []}}', "above 0"),
        ('{"results": {"bpp": [0.1, 0]}}', "above 0"),
        ('{"results": {"bpp": [0.1], "psnr-rgb": [1, 2]}}', "psnr-rgb has 2 values, bpp has 1"),
        ('{"results": {"bpp": [0.1], "psnr-rgb": ["a"]}}', "expected a finite number"),
        ('{"results": {"bpp": [0.1], "psnr-rgb": [NaN]}}', "holds NaN"),
        ('{"results": {"bpp": [1e999]}}', "finite"),
        ('{"results": 7}', "not a result file"),
        ('{"results": {"bpp": [0.1], "vmaf": [9]}}', "no metric that is known, only bpp, vmaf"),
        ('{"published": [{}], "datasets": {}}', "is missing"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(CodecError, match=re.escape(message)) as error:
        read([path])
    assert str(error.value).startswith(str(path))


def test_older_files_of_compressai(tmp_path):
    path = tmp_path / "vtm.json"
    columns = {"bpp": [0.1, 0.2], "psnr": [30, 31], "ms-ssim": [0.9, 0.95]}
    path.write_text(json.dumps({"name": "vtm", "results": columns}))
    ((vtm,), _) = read([path])
    assert "whole files" not in page([vtm])  # the file does not say what it counts
    assert image_count([vtm, *read(write(tmp_path, ours()))[0]]) is None  # nor of how many images
    assert [point.values for point in vtm.points] == [
        {"psnr-rgb": 30, "ms-ssim-rgb": 0.9},
        {"psnr-rgb": 31, "ms-ssim-rgb": 0.95},
    ]


def test_the_points_of_a_foreign_codec_are_one_curve(tmp_path):
    def point(name, bpp, images, **more):
        columns = {"bpp": [bpp], "quality": [None], "realism": [None], "psnr-rgb": [30 + bpp]}
        meta = {"images_sha256": images, "date": f"day {bpp}"}
        columns |= {key: [value] for key, value in more.items()}
        return {"name": name, "description": f"at {bpp}", "results": columns, "meta": meta}

    entries = [
        point("theirs", 0.2, "a"),
        peer("jpeg"),
        point("theirs", 0.1, "a"),
        point("theirs", 0.1, "b"),
        point("other", 0.1, "a"),
        point("theirs", 0.3, "a", quality=5),
    ]
    results, _ = read(write(tmp_path, *entries))
    assert [(r.name, len(r.points)) for r in results] == [
        ("theirs", 2),
        ("jpeg", len(peer("jpeg")["results"]["bpp"])),
        ("theirs", 1),
        ("other", 1),
        ("theirs", 1),
    ]
    joined = results[0]
    assert [p.bpp for p in joined.points] == [0.1, 0.2]
    assert joined.description == "at 0.1; at 0.2"
    assert joined.meta == {
        "images_sha256": "a",
        "date": "day 0.1",
        "point 2": {"date": "day 0.2"},
    }


def test_published_curves_alone_are_no_report():
    with pytest.raises(CodecError, match="no results"):
        read([PUBLISHED])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for n in range(4):
        gradient = Image.linear_gradient("L").resize((64 + n, 48))
        Image.merge("RGB", [gradient, gradient.rotate(90), gradient]).save(folder / f"photo{n}.png")
    return folder


def test_pictures_are_made_of_real_files(files, photos, model):
    results, _ = read(files)
    paths = pictures.originals(photos)
    assert [path.name for path in paths] == ["photo0.png", "photo1.png", "photo2.png"]
    shown = pictures.gallery(paths[:1], decodings.decoder(results, model)).as_json()
    (photo,) = shown["photos"]
    original, *coded = photo["versions"]
    assert original["codec"] == "Original"
    own = [v for v in coded if v["codec"] == "bibcodec"]
    assert {(v["realism"], v["seed"]) for v in own} == {(1, 0), (1, 1), (0.5, 0), (0, None)}
    assert {v["codec"] for v in coded} == {"bibcodec", "jpeg", "avif"}
    qualities = {quality for quality in ours()["results"]["quality"]}
    assert {v["quality"] for v in own} <= qualities
    assert len({v["source"] for v in own}) >= 4  # other realisms and seeds look different
    assert all(v["bpp"] == 8 * v["bytes"] / (64 * 48) for v in coded)
    assert all(source.startswith("data:image/webp;base64,") for source in shown["sources"])
    assert shown["left"]["codec"] == "Original"
    assert shown["right"] in [{k: v[k] for k in shown["right"]} for v in own]


def test_a_photo_is_shown_and_coded_upright(files, model, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # as phones write a portrait
    photo = Image.linear_gradient("L").resize((64, 48))
    photo.save(tmp_path / "phone.jpg", exif=exif)
    results, _ = read(files)
    shown = pictures.gallery([tmp_path / "phone.jpg"], decodings.decoder(results, model))
    assert (shown.photos[0]["width"], shown.photos[0]["height"]) == (48, 64)
    coded = shown.photos[0]["versions"][1:]
    assert all(version["psnr"] > 20 for version in coded if version["codec"] == "avif")


def test_pictures_are_of_the_model_that_was_measured(tmp_path, model):
    entry = ours()
    entry["meta"]["model"] = "00000000"
    results, _ = read(write(tmp_path, entry))
    with pytest.raises(CodecError, match="of model 00000000, the pictures would be of 74696e79"):
        decodings.decoder(results, model)


def test_pictures_keep_to_the_budget(photos, monkeypatch):
    paths = pictures.originals(photos)
    whole = pictures.gallery(paths, lambda path, photo: [])
    size = sum(map(len, whole.sources))
    monkeypatch.setattr(pictures, "BUDGET", size - 1)
    smaller = pictures.gallery(paths, lambda path, photo: [])
    assert sum(map(len, smaller.sources)) < size
    monkeypatch.setattr(pictures, "BUDGET", size // 4)
    fewer = pictures.gallery(paths, lambda path, photo: [])
    assert len(fewer.photos) < len(whole.photos)


def test_large_pictures_are_cropped_not_scaled(tmp_path):
    Image.effect_noise((900, 500), 40).convert("RGB").save(tmp_path / "large.png")
    shown = pictures.gallery(pictures.originals(tmp_path), lambda path, photo: [])
    assert (shown.photos[0]["width"], shown.photos[0]["height"]) == (pictures.SIDE, 500)


@pytest.mark.parametrize(("kind", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_a_figure_for_papers(files, tmp_path, kind, magic):
    results, published = read([*files, PUBLISHED])
    path = tmp_path / f"figure.{kind}"
    with path.open("wb") as file:
        draw(results, published, file, kind)
    assert path.read_bytes().startswith(magic)
    if kind == "svg":
        text = path.read_text()
        for words in ("bits per pixel", "PSNR, dB", "(higher is better)", "MS-ILLM (published)"):
            assert words in text


def test_a_figure_says_what_it_is_of(files, tmp_path):
    elsewhere = peer("jpeg")
    elsewhere["meta"]["images_sha256"] = "00"
    elsewhere["images"] = [{"file": f"{n}.png", "points": []} for n in range(3)]
    results, published = read([files[0], *write(tmp_path, elsewhere)])
    path = tmp_path / "figure.svg"
    with path.open("wb") as file:
        draw(results, published, file, "svg")
    text = path.read_text()
    assert "3 images; bars: 95 % intervals" in text
    assert "measured on different images" in text
    assert text.count('id="LineCollection') == 3  # the bars: a realism has them in the samples


def test_curves_look_different():
    looks = {(GREYS[n % 6], DASHES[n % 6], MARKERS[n % 7]) for n in range(42)}
    assert (len(set(GREYS)), len(set(DASHES)), len(set(MARKERS)), len(looks)) == (6, 6, 7, 42)


def test_the_page_of_files_is_linked_where_it_is(files, tmp_path):
    out = tmp_path / "page.html"
    command = ["report", str(files[0]), "-f", "-o", str(out)]
    link = 'href="bibcodec/index.html"'
    assert run_command(command).exit_code == 0
    assert link not in out.read_text()
    (tmp_path / "bibcodec").mkdir()
    (tmp_path / "bibcodec" / "index.html").write_text("")
    assert run_command(command).exit_code == 0
    assert link in out.read_text()


def test_the_command(files, photos, model_dir, tmp_path):
    out, svg = tmp_path / "page.html", tmp_path / "curves.svg"
    command = ["report", *map(str, files), str(PUBLISHED), "-o", str(out), "--svg", str(svg)]
    command += ["--images", str(photos), "-m", str(model_dir)]
    done = run_command(command)
    assert done.exit_code == 0, done.output
    assert "3 codecs" in done.stderr
    assert len(data_of(out.read_text())["gallery"]["photos"]) == 3
    assert svg.stat().st_size > 1000
    again = run_command(command)
    assert (again.exit_code, "exists already" in again.stderr) == (1, True)
    elsewhere = peer("jpeg")
    elsewhere["meta"]["images_sha256"] = "00"
    (other,) = write(tmp_path, elsewhere)
    mixed = run_command(["report", str(files[2]), str(other), "-o", str(out), "-f"])
    assert (mixed.exit_code, "different images" in mixed.stderr) == (0, True)
    link = tmp_path / "link.json"
    link.symlink_to(other)
    for twice in (
        ["-f", "-o", str(other)],
        ["-f", "-o", str(link)],
        ["-o", str(tmp_path / "a.html"), "--svg", str(tmp_path / "." / "a.html")],
    ):
        done = run_command(["report", str(other), *twice])
        assert (done.exit_code, "named twice" in done.stderr) == (1, True)
    assert json.loads(other.read_text())["name"] == "jpeg"
    missing = run_command(["report", "none.json", "-o", str(tmp_path / "no.html")])
    assert missing.exit_code == 1
    assert missing.stderr == "bibcodec: none.json: No such file or directory\n"
    assert not (tmp_path / "no.html").exists()
