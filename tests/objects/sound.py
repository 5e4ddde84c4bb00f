"""Real sound files, made with the standard library: a tone as WAV, and the headers of Ogg Opus and MP3."""

import io
import math
import struct
import wave
import zlib


def wav(seconds: float = 2.0, rate: int = 16000) -> bytes:
    """A tone of 440 Hz, one channel, 16 bits."""
    samples = [round(20000 * math.sin(2 * math.pi * 440 * number / rate)) for number in range(int(seconds * rate))]
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return file.getvalue()


def ogg_opus() -> bytes:
    """The first page of an Ogg stream of Opus (RFC 7845)."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48000, 0, 0)
    page = struct.pack("<4sBBqIIIBB", b"OggS", 0, 2, 0, 1, 0, 0, 1, len(head)) + head
    return page[:22] + struct.pack("<I", zlib.crc32(page)) + page[26:]


def mp3(frames: int = 20) -> bytes:
    """Silent frames of MPEG 1 layer III: 128 kbit/s, 44.1 kHz, 417 bytes each."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * frames
