"""Metadata agrees with the pixels, wherever it stood and however they were turned."""

import io
import warnings

import numpy as np
import pytest
from effort import Effort
from picture_samples import corner, exif, png_chunk, stored, with_chunk
from PIL import ExifTags, Image, ImageOps

import codec
from codec.errors import LeftOutWarning
from codec.images import xmp
from codec.images.load import load
from codec.images.turning import Upright

THUMBNAIL = stored(corner(160, 107), "JPEG")
TIFF_NS = 'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"'
PACKET = (
    "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>"
    "<rdf:Description {}>{}</rdf:Description></x:xmpmeta>{}<?xpacket end='w'?>"
)


def camera(orientation=6, width=300, height=200, order="<", thumbnail=THUMBNAIL):
    """EXIF as cameras write it."""
    details = {0xA002: (4, [width]), 0xA003: (4, [height]), 0x9214: (3, [30, 20, 9, 5])}
    details |= {0x927C: (7, b"maker note" * 9)}
    tags = {0x010F: (2, b"Maker\0"), 0x0112: (3, [orientation])}
    return exif(tags, details, thumbnail, order)


def jpeg(orientation=6, **options):
    return stored(corner(300, 200), "JPEG", exif=b"Exif\0\0" + camera(orientation, **options))


def thumbnail_of(block):
    at = block.find(b"\xff\xd8")
    return Image.open(io.BytesIO(block[at:])) if at >= 0 else None


def reread(block):
    found = Image.Exif()
    found.load(block)
    return found


# ---- orientation belongs to a file's pixels, once


def as_they_stand():
    """Pillow images that were changed in memory, by name; each shows what is meant."""
    file = Image.open(io.BytesIO(jpeg()))
    upright = ImageOps.exif_transpose(file)
    in_place = Image.open(io.BytesIO(jpeg()))
    ImageOps.exif_transpose(in_place, in_place=True)
    return {
        "rotated": (file.rotate(270, expand=True), (200, 300)),
        "transposed": (file.transpose(Image.Transpose.ROTATE_270), (200, 300)),
        "turned by exif_transpose": (upright, (200, 300)),
        "turned in place": (in_place, (200, 300)),
        "turned, then resized": (upright.resize((20, 30)), (20, 30)),
        "rotated in a copy": (file.copy().rotate(270, expand=True), (200, 300)),
    }


@pytest.mark.parametrize("name", as_they_stand())
def test_what_was_turned_by_hand_is_not_turned_again(name, model, tmp_path, model_dir):
    """python-pillow/Pillow#4124, thumbor/thumbor#1716."""
    import codec.pillow_plugin as plugin

    image, size = as_they_stand()[name]
    for keep in (("icc", "exif", "xmp"), ()):
        out = codec.decode(codec.encode(image, model=model, keep=keep), model=model)
        assert out.size == size
    assert out.getexif().get(0x0112, 1) == 1
    plugin.register(model=model_dir)
    image.save(tmp_path / "a.bibc")
    assert Image.open(tmp_path / "a.bibc").size == size
    plugin.register()


def test_a_file_is_turned_even_if_it_was_scaled_in_place():
    file = Image.open(io.BytesIO(jpeg()))
    file.thumbnail((60, 40))
    picture = load(file)
    assert picture.rgb.shape[:2] == (60, 40)
    assert picture.rgb[2, -3, 0] > 200


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [1, 3, 4, 8, 9])
def test_orientation_is_what_pillow_takes_it_for(orientation, order, kind):
    block = exif({0x0112: (kind, [orientation])}, order=order)
    file = stored(corner(), "PNG", exif=block)
    picture = load(io.BytesIO(file))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    assert np.array_equal(picture.rgb, np.asarray(expected))
    assert reread(picture.metadata["exif"])[0x0112] in (1, b"\1")


@pytest.mark.parametrize(
    "packet",
    [
        PACKET.format(TIFF_NS + ' tiff:Orientation="6"', "", ""),
        PACKET.format(TIFF_NS + " tiff:Orientation = '6'", "", ""),
        PACKET.format(TIFF_NS, "<tiff:Orientation>6</tiff:Orientation>", ""),
        PACKET.format(TIFF_NS.replace(":tiff", ":t") + ' t:Orientation="6"', "", ""),
    ],
)
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_that_stands_in_xmp_only(packet, file_format):
    file = stored(corner(), "PNG")
    if file_format == "PNG":
        data = b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode()
        file = with_chunk(file, b"iTXt", data, late=True)
    else:
        file = stored(corner(), file_format, xmp=packet.encode(), quality=100)
    picture = load(file)
    assert picture.rgb.shape == (60, 40, 3)
    kept = picture.metadata["xmp"]
    assert xmp.orientation(kept) == 1
    assert b"6" not in kept.replace(b"W5M0MpCehiHzreSzNTczkc9d", b"")


# ---- metadata that stands elsewhere in a file


def raw_profile(kind, data):
    """A profile as ImageMagick writes it into a text."""
    text = f"\n{kind}\n{len(data):8}\n{data.hex()}\n"
    return f"Raw profile type {kind}".encode() + b"\0" + text.encode()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("where", ["eXIf", "exif", "APP1"])
def test_exif_anywhere_in_a_png(late, where):
    """image-rs/image-png#440, python-pillow/Pillow#3674."""
    block = camera(thumbnail=None)
    text = b"Exif\0\0" + block if where == "APP1" else block
    kind, data = (b"eXIf", block) if where == "eXIf" else (b"tEXt", raw_profile(where, text))
    picture = load(with_chunk(stored(corner(300, 200), "PNG"), kind, data, late=late))
    assert picture.rgb.shape == (300, 200, 3)
    found = reread(picture.metadata["exif"])
    assert (found[0x010F], found[0x0112]) == ("Maker", 1)
    details = found.get_ifd(0x8769)
    assert (details[0xA002], details[0xA003]) == (200, 300)


@pytest.mark.parametrize("late", [False, True])
def test_xmp_as_a_raw_profile(late):
    data = raw_profile("xmp", b"<x:xmpmeta/>")
    picture = load(with_chunk(stored(corner(), "PNG"), b"tEXt", data, late=late))
    assert picture.metadata == {"xmp": b"<x:xmpmeta/>"}


def test_damaged_raw_profiles_are_passed_over():
    for data in (b"Raw profile type exif\0\nexif\n 4\nxyz", b"Raw profile type xmp\0", b"a\0b"):
        assert load(with_chunk(stored(corner(), "PNG"), b"tEXt", data)).rgb.size


# ---- thumbnails, sizes, points


@pytest.mark.parametrize("order", "<>")
def test_the_thumbnail_is_left_out(order):
    """libvips/libvips#1865, recurser/exif-orientation-examples#9."""
    block = load(jpeg(order=order)).metadata["exif"]
    assert thumbnail_of(block) is None
    assert len(block) < len(camera(thumbnail=None)) + 20
    found = reread(block)
    assert found.get_ifd(0x8769)[0x927C] == b"maker note" * 9
    assert not found.get_ifd(ExifTags.IFD.IFD1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_thumbnail_is_kept_and_turned(orientation):
    picture = load(jpeg(orientation), keep=("exif", "thumbnail"))
    thumbnail = thumbnail_of(picture.metadata["exif"])
    assert thumbnail.size == ((160, 107) if orientation < 5 else (107, 160))
    plain = Image.open(io.BytesIO(THUMBNAIL))
    plain.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(plain)).astype(int)
    assert np.abs(np.asarray(thumbnail) - expected).mean() < 2
    assert reread(picture.metadata["exif"]).get_ifd(ExifTags.IFD.IFD1)[0x0112] == 1


def test_a_thumbnail_in_the_middle_leaves_the_rest_where_it_is():
    tags = {0x010F: (2, b"Maker\0"), 0x0112: (3, [6]), 0x927C: (7, b"behind all" * 9)}
    whole = exif(tags, {0xA002: (4, [300])}, THUMBNAIL) + b"offsets of maker notes lead here"
    file = stored(corner(300, 200), "JPEG", exif=b"Exif\0\0" + whole)
    block = load(file).metadata["exif"]
    assert len(block) == len(whole)
    assert block.endswith(b"offsets of maker notes lead here")
    assert thumbnail_of(block) is None


@pytest.mark.parametrize("damage", range(40))
def test_a_damaged_thumbnail_does_no_harm(damage):
    rng = np.random.default_rng(damage)
    block = bytearray(camera())
    for _ in range(3):
        block[rng.integers(8, 200)] = rng.integers(0, 256)
    file = stored(corner(300, 200), "PNG", exif=bytes(block))
    for keep in (("exif",), ("exif", "thumbnail")):
        kept = load(file, keep=keep).metadata.get("exif", b"")
        assert len(kept) <= len(block) + 2**16


def test_sizes_points_and_resolutions_are_true():
    details = {0xA002: (3, [300]), 0xA003: (4, [200]), 0x9214: (3, [30, 20, 9, 5])}
    tags = {0x0112: (3, [6]), 0x011A: (5, [(72, 1)]), 0x011B: (5, [(96, 1)])}
    tags |= {0x0100: (4, [300]), 0x0101: (4, [200])}
    file = stored(corner(300, 200), "JPEG", exif=b"Exif\0\0" + exif(tags, details))
    found = reread(load(file).metadata["exif"])
    assert (found[0x0100], found[0x0101], found[0x011A], found[0x011B]) == (200, 300, 96, 72)
    below = found.get_ifd(0x8769)
    assert (below[0xA002], below[0xA003]) == (200, 300)
    assert tuple(below[0x9214]) == (200 - 1 - 20, 30, 5, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_turn_as_pixels_do(orientation):
    samples = np.zeros((20, 30), np.uint8)
    samples[4, 7] = 255
    block = exif({0x0112: (3, [orientation])}, {0xA214: (3, [7, 4])})
    picture = load(stored(Image.fromarray(samples), "PNG", exif=block))
    x, y = reread(picture.metadata["exif"]).get_ifd(0x8769)[0xA214]
    assert picture.rgb[y, x, 0] == 255


def test_sizes_of_what_was_changed_in_memory():
    file = Image.open(io.BytesIO(jpeg(1)))
    picture = load(file.resize((30, 20)), keep=("exif", "thumbnail"))
    below = reread(picture.metadata["exif"]).get_ifd(0x8769)
    assert (below[0xA002], below[0xA003]) == (30, 20)
    assert thumbnail_of(picture.metadata["exif"]) is None  # it shows what was there before


def test_sizes_in_xmp_are_true():
    packet = PACKET.format(
        TIFF_NS + ' xmlns:exif="http://ns.adobe.com/exif/1.0/" tiff:Orientation="8" '
        'tiff:ImageWidth="300" exif:PixelXDimension="300"',
        "<tiff:ImageLength>200</tiff:ImageLength>"
        "<exif:PixelYDimension> 200 </exif:PixelYDimension>",
        " " * 2000,
    )
    kept = load(stored(corner(300, 200), "JPEG", xmp=packet.encode())).metadata["xmp"].decode()
    assert 'tiff:ImageWidth="200" exif:PixelXDimension="200"' in kept
    assert "<tiff:ImageLength>300<" in kept
    assert "<exif:PixelYDimension>300<" in kept


def test_padding_is_left_out_and_nothing_else():
    packet = PACKET.format("a='b  c'", "<d>  kept  </d>", "\n" + " " * 2000 + "\n")
    kept = load(stored(corner(), "PNG", pnginfo=None, xmp=packet.encode())).metadata.get("xmp")
    file = stored(corner(), "JPEG", xmp=packet.encode())
    kept = load(file).metadata["xmp"]
    assert kept.decode() == packet.replace("\n" + " " * 2000 + "\n", "\n")


# ---- what is announced


ANNOUNCED = {
    "a motion video": 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" '
    'GCamera:MicroVideo="1" GCamera:MicroVideoOffset="4242"',
    "a gain map": 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
    'hdrgm:GainMapMax="4242"',
    "extended XMP": 'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="4242"',
    "a depth map": 'xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/" GDepth:Far="4242"',
}


@pytest.mark.parametrize("what", ANNOUNCED)
def test_what_the_file_does_not_hold_is_not_announced(what):
    directory = (
        '<Container:Directory xmlns:Container="http://ns.google.com/photos/1.0/container/">'
        "<rdf:Seq><rdf:li>4242</rdf:li></rdf:Seq></Container:Directory>"
    )
    packet = PACKET.format(f"{ANNOUNCED[what]} dc:format='kept'", directory, "")
    file = stored(corner(), "JPEG", xmp=packet.encode())
    with pytest.warns(LeftOutWarning, match=f"input: left out: {what}"):
        kept = load(file).metadata["xmp"]
    assert (b"4242" in kept) == (
        what not in ("a motion video", "a gain map")
    ) or b"4242" not in kept
    assert b"dc:format='kept'" in kept
    assert not xmp.announced(kept)


def test_thumbnails_in_xmp_are_left_out():
    thumbnails = "<xmp:Thumbnails><rdf:Alt><rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails>"
    packet = PACKET.format('xmlns:xmp="http://ns.adobe.com/xap/1.0/"', thumbnails, "")
    file = stored(corner(), "JPEG", xmp=packet.encode())
    assert b"AAAA" not in load(file).metadata["xmp"]
    assert b"AAAA" in load(file, keep=("xmp", "thumbnail")).metadata["xmp"]


def test_a_video_behind_the_picture_is_named(tmp_path):
    video = b"\0\0\0\x18ftypmp42" + bytes(1000)
    path = tmp_path / "motion.jpg"
    path.write_bytes(stored(corner(), "JPEG") + video)
    with pytest.warns(
        LeftOutWarning, match=r"motion.jpg: left out: a motion video of 1,012 bytes$"
    ):
        load(path)


def test_further_pictures_of_a_phone_are_named_in_one_line():
    file = stored(corner(), "MPO", save_all=True, append_images=[corner()])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(file)
    assert [str(one.message) for one in caught] == ["input: left out: a second picture"]


def test_plain_files_are_not_warned_of(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeftOutWarning)
        for file_format in ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "GIF", "BMP"):
            load(stored(corner(), file_format))


@pytest.mark.parametrize("size", [10**5, 4 * 10**5])
def test_hostile_packets_take_linear_time(size):
    for piece in (
        b"<tiff:Orientation>",
        b' tiff:Orientation="',
        b" ",
        b"<hdrgm:a",
        b"hdrgm:Version=",
    ):
        packet = piece * (size // len(piece))
        with Effort() as effort:
            xmp.made_true(packet, Upright(3, 2, 6), keep_thumbnail=False)
        assert effort.units < 20_000 * size / 10**5


def test_utf_16_packets_stay():
    packet = PACKET.format("", "", "").encode("utf-16-be")
    assert xmp.made_true(packet, Upright(3, 2, 6), keep_thumbnail=False) == packet


def test_chunks_are_named_by_info(model):
    """The generator of image-rs/image-png#440."""
    block = exif({0x0112: (3, [6]), 0x010F: (2, b"Maker\0")})
    file = with_chunk(stored(Image.new("RGB", (90, 60), "teal"), "PNG"), b"eXIf", block, late=True)
    about = codec.info(codec.encode(file, model=model))
    assert (about.width, about.height) == (60, 90)
    assert about.chunks == {"exif": len(block)}
    assert png_chunk(b"eXIf", block) in file


def test_texts_of_a_png_are_named():
    file = stored(Image.new("RGB", (9, 9)), "PNG")
    for text in (
        b"Software\0painter",
        b"Comment\0Created with GIMP",
        b"parameters\0a cat",
        b"Title\0b",
    ):
        file = with_chunk(file, b"tEXt", text)
    with pytest.warns(
        LeftOutWarning, match="left out: the text field 'Title', the text field 'parameters'$"
    ):
        load(file)
    for number in range(5):
        file = with_chunk(file, b"tEXt", b"t\x1b%d\0text" % number)
    with pytest.warns(
        LeftOutWarning, match=r"left out: the text field 't.*, 4 more texts$"
    ) as caught:
        load(file)
    assert str(caught[0].message).isprintable()


def iptc():
    """An image resource of Photoshop with IPTC in it."""
    data = b"\x1c\x02\x78\0\5Hello"
    resource = b"8BIM\x04\x04\0\0" + len(data).to_bytes(4) + data + bytes(len(data) % 2)
    return b"Photoshop 3.0\0" + resource


def test_iptc_is_named():
    file = stored(Image.new("RGB", (9, 9)), "JPEG")
    segment = b"\xff\xed" + (len(iptc()) + 2).to_bytes(2) + iptc()
    with pytest.warns(LeftOutWarning, match="left out: IPTC$"):
        load(file[:2] + segment + file[2:])
    file = stored(Image.new("RGB", (9, 9)), "TIFF", tiffinfo={33723: iptc()})
    with pytest.warns(LeftOutWarning, match="left out: IPTC$"):
        load(file)


@pytest.mark.parametrize("file_format", ["JPEG", "GIF", "JPEG2000"])
def test_comments_are_named_unless_a_program_made_them(file_format):
    for text in ("Created with GIMP", "CREATOR: gd-jpeg v1.0", "\0"):
        load(stored(Image.new("L", (40, 40)), file_format, comment=text))
    with pytest.warns(LeftOutWarning, match="input: left out: a comment$"):
        load(stored(Image.new("L", (40, 40)), file_format, comment="Aunt Mary in 1911"))


def test_a_profile_of_which_a_part_is_missing_is_named():
    part = b"ICC_PROFILE\0\1\2" + bytes(99)
    file = stored(Image.new("RGB", (9, 9)), "JPEG")
    file = file[:2] + b"\xff\xe2" + (len(part) + 2).to_bytes(2) + part + file[2:]
    with pytest.warns(LeftOutWarning, match="left out: a damaged ICC profile$"):
        load(file)


def test_xmp_of_a_gif_is_kept():
    file = stored(corner().quantize(4), "GIF")
    packet = b'<a xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    at = file.find(b"\x2c\0\0\0\0")
    trailer = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    file = file[:at] + b"\x21\xff\x0bXMP DataXMP" + packet + trailer + file[at:]
    picture = load(file)
    assert picture.metadata["xmp"] == packet.replace(b"6", b"1")
    assert picture.rgb.shape == (60, 40, 3)
