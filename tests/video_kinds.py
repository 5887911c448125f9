"""Kinds of video files, and which decoder reads them."""

from fractions import Fraction
from typing import Any

import pytest

from vidseq.video.decord_decoder import is_installed

#: The decoders that are here: some machines have no wheel of decord.
INSTALLED = ["decord", "pyav"] if is_installed() else ["pyav"]
needs_decord = pytest.mark.skipif(not is_installed(), reason="decord is not installed")

# name, how to make it, decoder that is to be chosen, part of the reason
KINDS: list[tuple[str, dict[str, Any], str, str]] = [
    ("plain.mp4", {}, "decord", "agree"),
    ("b_frames.mp4", {"options": {"bf": "3", "b-pyramid": "normal", "g": "12"}}, "decord", "agree"),
    ("no_b_frames.mp4", {"options": {"bf": "0"}}, "decord", "agree"),
    ("groups_of_one.mp4", {"options": {"g": "1"}}, "decord", "agree"),
    ("broadcast_rate.mp4", {"fps": Fraction(30000, 1001)}, "decord", "agree"),
    ("slow.mkv", {"fps": 1}, "decord", "agree"),
    ("plain.mkv", {}, "decord", "agree"),
    ("plain.flv", {}, "decord", "agree"),
    ("hevc.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none:open-gop=0"}}, "decord", "agree"),
    ("vp8.webm", {"codec": "libvpx", "options": {"auto-alt-ref": "0"}}, "decord", "agree"),
    ("vp9.webm", {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}}, "decord", "agree"),
    ("ten_bit.mp4", {"pixels": "yuv420p10le"}, "pyav", "more than 8 bits"),
    ("full_chroma.mp4", {"pixels": "yuv444p"}, "decord", "agree"),
    ("fragments.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}, "decord", "agree"),
    ("one_frame.mp4", {"count": 1}, "decord", "agree"),
    ("odd_sides.mkv", {"pixels": "yuv444p", "height": 97, "width": 161}, "decord", "agree"),
    ("open_groups.mkv", {"options": {"x264-params": "open-gop=1:keyint=12:bframes=3"}}, "pyav", "groups .* open"),
    ("av1.mp4", {"codec": "libsvtav1", "options": {"preset": "12"}}, "pyav", "AV1"),
    ("plain.ts", {}, "pyav", "not exact on mpegts"),
    ("mpeg2.ts", {"codec": "mpeg2video", "options": {"bf": "2", "b": "2M"}}, "pyav", "not exact on mpegts"),
    ("mpeg4.avi", {"codec": "mpeg4", "options": {"bf": "2"}}, "pyav", "not exact on avi"),
    ("h264.avi", {}, "pyav", "not exact on avi"),
    ("raw.h264", {"fps": 25}, "pyav", "not exact on h264"),
    ("plain.wmv", {"codec": "wmv2"}, "pyav", "not exact on asf"),
    ("animation.gif", {"codec": "gif", "pixels": "rgb8", "fps": 10}, "pyav", "not exact on gif"),
    ("alpha.mov", {"codec": "qtrle", "pixels": "argb"}, "decord", "agree"),
    ("alpha_prores.mov", {"codec": "prores_ks", "pixels": "yuva444p10le"}, "pyav", "more than 8 bits"),
    ("left.mp4", {"rotation": 90}, "pyav", "rotated"),
    ("interlaced.mkv", {"options": {"x264-params": "tff=1"}}, "pyav", "interlaced"),
    ("upside_down.mp4", {"rotation": 180}, "pyav", "rotated"),
]
