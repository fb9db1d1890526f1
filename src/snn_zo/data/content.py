"""What a run trains and tests on: which recordings, in which order, whatever folder they lie in."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from snn_zo.data.splits import Splits


def content_of(splits: Splits) -> dict[str, Any]:
    """The numbers of recordings and classes of each split, and 16 hexadecimal digits that stand for all their events.

    Continuous targets have no classes to count. The number of a recording is part of the digits too, as it keys the
    recording's random draws.
    """
    fingerprint = hashlib.sha256()
    numbers = {}
    for name, (store, sample) in splits._asdict().items():
        target = store.target[sample]
        fingerprint.update(f"{name} {len(sample)} {store.steps} {store.inputs}\n".encode())
        for column in (sample, target, store.checksum[sample]):
            fingerprint.update(column.astype("<f4" if column.dtype.kind == "f" else "<i8").tobytes())
        numbers[name] = {"recordings": len(sample)}
        if target.dtype.kind == "i":
            numbers[name]["classes"] = len(np.unique(target))
    return {"fingerprint": fingerprint.hexdigest()[:16], **numbers}


def difference(earlier: object, now: dict[str, Any]) -> str | None:
    """How data differs from that of an earlier run, in words; None where it does not, or nothing is known of it.

    Args:
        earlier: `data_content` of a summary, which may hold anything.
        now: what `content_of` returned.
    """
    if not isinstance(earlier, dict) or earlier.get("fingerprint") in (None, now["fingerprint"]):
        return None
    changes = []
    for part in Splits._fields:
        before = earlier.get(part)
        for what, one in (("recordings", "recording"), ("classes", "class")):
            was, is_ = before.get(what) if isinstance(before, dict) else None, now[part].get(what)
            if isinstance(was, int) and is_ is not None and was != is_:
                many = f"{abs(is_ - was):,} {what if abs(is_ - was) > 1 else one}"
                changes.append(f"{many} {'more' if is_ > was else 'fewer'} in {part} ({is_:,}, not {was:,})")
    return ", ".join(changes) or "as many recordings, but others"
