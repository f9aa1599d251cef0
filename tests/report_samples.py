"""Result files for the report's tests: the measured R-D points of Kodak, perception made up."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "benchmarks" / "published.json"
KODAK = json.loads((ROOT / "benchmarks" / "results" / "rd_kodak.json").read_text())
PEAK = 255.0**2


def ours(realisms=(0.0, 0.5, 1.0), energy=0.8, slope=0.0, images=3):
    """Points of a decoder whose squared error is D·(1 + slope·α + energy·α²) for every image."""
    source = {key: values[::4] for key, values in KODAK["results"].items()}
    keys = ("quality", "realism", "bpp", "psnr-rgb", "ms-ssim-rgb", "frechet-256")
    columns = {key: [] for key in keys}
    pictures = [
        {"file": f"photo{n}.png", "width": 64, "height": 48, "points": []} for n in range(images)
    ]
    for i, bpp in enumerate(source["bpp"]):
        for alpha in realisms:
            error = (
                PEAK / 10 ** (source["psnr-rgb"][i] / 10) * (1 + slope * alpha + energy * alpha**2)
            )
            values = {
                "quality": source["quality"][i],
                "realism": alpha,
                "bpp": bpp,
                "psnr-rgb": db(error),
                "ms-ssim-rgb": source["ms-ssim-rgb"][i] - 0.01 * alpha,
                "frechet-256": 20 * bpp**-0.5 * (1 - 0.7 * alpha),
            }
            for key, value in values.items():
                columns[key].append(value)
            for n, picture in enumerate(pictures):
                shift = db(error) + n - (images - 1) / 2  # the mean is that of the column
                picture["points"].append(
                    {**values, "psnr-rgb": shift, "bytes": round(bpp * 48 * 64 / 8)}
                )
    return {
        "name": "bibcodec",
        "description": "for tests",
        "results": columns,
        "ci95": {"psnr-rgb": [[v - 0.3, v + 0.3] for v in columns["psnr-rgb"]]},
        "images": pictures,
        "meta": {"images_sha256": KODAK["meta"]["images_sha256"], "versions": {"torch": "x"}},
    }


def peer(name):
    """A peer of rd_kodak.json, with a Fréchet distance that is made up."""
    found = next(p for p in KODAK["peers"] if p["name"].lower() == name)
    results = {key: list(values) for key, values in found["results"].items()}
    results["frechet-256"] = [30 * bpp**-0.5 for bpp in results["bpp"]]
    meta = {"images_sha256": KODAK["meta"]["images_sha256"]}
    return {"name": name, "description": "for tests", "results": results, "meta": meta}


def db(error):
    import math

    return 10 * math.log10(PEAK / error)


def write(folder, *entries):
    """The entries as files; their paths."""
    paths = []
    for number, entry in enumerate(entries):
        path = folder / f"{number}-{entry['name']}.json"
        path.write_text(json.dumps(entry))
        paths.append(path)
    return paths
