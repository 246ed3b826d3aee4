"""Makes the pictures in this folder and prints the checksums that image_test.cpp,
preprocess_test.cpp and mask_test.cpp expect: OpenCV, PIL, torchvision and the reference letterbox on procedural input.

Needs opencv-python-headless, Pillow, numpy, torch, torchvision (made with OpenCV 4.11, Pillow 9.4).
"""

import math
import pathlib
import struct
import zlib

import cv2
import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
NORMALIZE = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def noise(width, height, channels, seed=1):
    """The bytes that the tests make too: the high byte of a linear congruential generator."""
    out = np.empty(width * height * channels, np.uint8)
    state = seed
    for i in range(out.size):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out.reshape((height, width) if channels == 1 else (height, width, channels))


def crc(array):
    return f"0x{zlib.crc32(np.ascontiguousarray(array).tobytes()):08x}"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def interlaced_png(pixels):
    height, width = pixels.shape[:2]
    raw = b""
    for x, y, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in pixels[y::dy, x::dx]:
            if len(row):
                raw += b"\0" + row.tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 1)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def pictures():
    y, x = np.mgrid[:13, :17]
    smooth = np.stack([x * 15, y * 19, (x * y) % 256], -1).astype(np.uint8)
    rgb = Image.fromarray(smooth)
    rgb.save(HERE / "420.jpg", quality=90, subsampling=2)
    rgb.save(HERE / "422_progressive.jpg", quality=80, subsampling=1, progressive=True)
    rgb.convert("L").save(HERE / "gray.jpg")
    rgb.convert("CMYK").save(HERE / "cmyk.jpg")
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        rgb.save(HERE / f"exif{orientation}.jpg", exif=exif)
    (HERE / "interlaced.png").write_bytes(interlaced_png(smooth))
    rgb.quantize(11).save(HERE / "palette4.png")
    rgb.convert("L").save(HERE / "gray.png")
    rgb.convert("1").save(HERE / "bits.png")
    alpha = rgb.convert("RGBA")
    alpha.putalpha(Image.fromarray((x * 15).astype(np.uint8)))
    alpha.save(HERE / "alpha.png")
    cv2.imwrite(str(HERE / "rgb16.png"), smooth.astype(np.uint16) * 200 + 77)
    for path in sorted(HERE.glob("*.jpg")) + sorted(HERE.glob("*.png")):
        pixels = cv2.imread(str(path))[:, :, ::-1]
        if path.name == "cmyk.jpg":  # OpenCV rounds the conversion otherwise
            pixels = np.array(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        print(f'{{"{path.name}", {pixels.shape[1]}, {pixels.shape[0]}, {crc(pixels)}}},')


def resizes():
    sizes = [(64, 48, 40, 33), (40, 33, 64, 48), (60, 44, 30, 22), (60, 45, 20, 15), (49, 98, 1, 2), (7, 5, 90, 3), (1, 1, 9, 7), (97, 13, 96, 14)]
    for channels in (3, 1):
        for w, h, ow, oh in sizes:
            image = noise(w, h, channels)
            linear = cv2.resize(image, (ow, oh), interpolation=cv2.INTER_LINEAR)
            area = cv2.resize(image, (ow, oh), interpolation=cv2.INTER_AREA)
            antialias = np.array(Image.fromarray(image).resize((ow, oh), Image.BILINEAR))
            print(f"{{{channels}, {w}, {h}, {ow}, {oh}, {{{crc(linear)}, {crc(area)}, {crc(antialias)}}}}},")


def letterbox(image, shape, auto, scaleup):
    height, width = image.shape[:2]
    ratio = min(shape[0] / height, shape[1] / width)
    if not scaleup:
        ratio = min(ratio, 1.0)
    size = round(width * ratio), round(height * ratio)
    dw, dh = shape[1] - size[0], shape[0] - size[1]
    if auto:
        dw, dh = dw % 32, dh % 32
    dw, dh = dw / 2, dh / 2
    if (width, height) != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    image = cv2.copyMakeBorder(
        image, round(dh - 0.1), round(dh + 0.1), round(dw - 0.1), round(dw + 0.1), cv2.BORDER_CONSTANT, value=(114, 114, 114))
    return image, (dw, dh)


def planes(bgr):
    return (torch.from_numpy(np.ascontiguousarray(bgr.transpose(2, 0, 1)[::-1])).float() / 255).numpy()


def letterboxes():
    for w, h, nw, nh, rect, up, val in (
        (200, 113, 96, 96, 0, 1, 0), (200, 113, 96, 96, 1, 1, 0), (113, 200, 96, 128, 1, 1, 0), (50, 40, 96, 96, 0, 1, 0),
        (50, 40, 96, 96, 0, 0, 0), (192, 128, 96, 96, 0, 1, 0), (96, 77, 96, 96, 0, 1, 0), (200, 113, 96, 96, 0, 0, 1),
        (200, 113, 96, 96, 1, 0, 1), (50, 40, 96, 96, 0, 0, 1), (61, 99, 96, 96, 1, 0, 1), (96, 64, 96, 96, 0, 0, 1)):
        image = noise(w, h, 3)
        if val:
            side = max(nw, nh)
            ratio = side / max(w, h)
            first = image
            if ratio != 1:
                size = math.ceil(w * ratio), math.ceil(h * ratio)
                first = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if ratio > 1 else cv2.INTER_AREA)
            shape = (nh, nw)
            if rect:
                aspect = h / w
                share = [aspect, 1] if aspect < 1 else [1, 1 / aspect]
                shape = (np.ceil(np.array(share) * side / 32 + 0.5).astype(int) * 32).tolist()
            boxed, pad = letterbox(first, shape, False, False)
            gain = first.shape[0] / h
        else:
            boxed, _ = letterbox(image, (nh, nw), bool(rect), bool(up))
            gain = min(boxed.shape[0] / h, boxed.shape[1] / w)
            pad = (boxed.shape[1] - w * gain) / 2, (boxed.shape[0] - h * gain) / 2
            if not up and w < nw and h < nh:
                gain, pad = 1.0, (round((nw - w) / 2 - 0.1), round((nh - h) / 2 - 0.1))
        print(
            f"{{{w}, {h}, {nw}, {nh}, {rect}, {up}, {val}, {boxed.shape[1]}, {boxed.shape[0]}, {gain!r}, {float(pad[0])!r}, "
            f"{float(pad[1])!r}, {crc(planes(boxed))}}},")


def classifications():
    for w, h, resize, crop in ((90, 70, 48, 40), (70, 90, 48, 48), (33, 31, 0, 40), (41, 300, 64, 63), (30, 20, 25, 32)):
        image = noise(w, h, 3)
        steps = ([T.Resize(resize)] if resize else []) + [T.CenterCrop(crop), T.ToTensor(), NORMALIZE]
        result = T.Compose(steps)(Image.fromarray(image)).numpy()
        print(f"{{{w}, {h}, {resize}, {crop}, {crc(result)}}},")
    image = noise(90, 70, 3)
    square = cv2.resize(image[:, 10:80], (32, 32), interpolation=cv2.INTER_LINEAR)
    print("square", crc(NORMALIZE(torch.from_numpy(square.transpose(2, 0, 1)).float() / 255).numpy()))
    stretched = T.Compose([T.Resize((36, 100)), T.ToTensor(), NORMALIZE])(Image.fromarray(image)).numpy()
    print("stretch", crc(stretched))
    gray = np.array(Image.fromarray(image).convert("L").resize((28, 28), Image.BILINEAR))
    print("gray", crc(np.pad(gray, 2).astype(np.float32) / np.float32(255)))


def masks():
    """process_mask() with upsample, and findContours on the result."""
    for x1, y1, x2, y2 in ((5, 4, 50, 40), (-9, 10.5, 30, 99), (20, 20, 21, 21), (40, 0, 64, 48)):
        values = noise(4 * 12 * 16 + 4, 1, 1).astype(np.float32)[0]
        protos = torch.from_numpy((values[: 4 * 12 * 16] - 128) / 32).view(4, 12, 16)
        coefficients = torch.from_numpy((values[-4:] - 100) / 64)
        small = (coefficients @ protos.view(4, -1)).sigmoid().view(12, 16)
        column, row = torch.arange(16)[None].float(), torch.arange(12)[:, None].float()
        small = small * ((column >= x1 / 4) * (column < x2 / 4) * (row >= y1 / 4) * (row < y2 / 4))
        mask = (torch.nn.functional.interpolate(small[None, None], (48, 64), mode="bilinear")[0, 0] > 0.5).numpy().astype(np.uint8)
        contours = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        outline = max(contours, key=len).reshape(-1, 2).astype(np.float32) if contours else np.zeros((0, 2), np.float32)
        print(f"{{{{{x1}, {y1}, {x2}, {y2}}}, {mask.sum()}, {crc(mask)}, {len(outline)}, {crc(outline)}}},")


pictures()
resizes()
letterboxes()
classifications()
masks()
