"""Messages for failures of the machine: a full disk, a missing permission, too little memory."""

from __future__ import annotations

import errno

from metasiren.errors import is_out_of_memory, shortened

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


def explain(error: BaseException) -> str | None:
    """A message with advice; None where the failure is a fault of metasiren or a plugin."""
    if is_out_of_memory(error):
        reason = str(error).strip().splitlines()[0][:300] if str(error).strip() else "no further reason is given"
        general = "Lower train.batch, data.size or data.points, siren.hidden_features or decoder.hidden_features."
        estimated = getattr(error, "__notes__", None) or [general]
        lines = [f"out of memory: {reason}", *estimated, "An earlier checkpoint, if there is one, is kept."]
        return "\n  ".join(lines)
    if isinstance(error, OSError) and error.errno is not None:
        file = f"{shortened(str(error.filename))}: " if error.filename else ""
        if error.errno in FULL:
            advice = "Free space (or raise the limit on file sizes); then go on with --resume if a run was begun."
        elif error.errno in CLOSED:
            advice = "Name a place that you may write to, or change its permissions."
        else:
            advice = "Check the path and the disk."
        return f"{file}{error.strerror}.\n  {advice}"
    return None
