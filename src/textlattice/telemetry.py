"""Libraries that report to their makers are silenced before any of them is imported.

`import textlattice` calls `switch_off` before anything else, so no door can be reached without it. ONNX Runtime turns
its reports on when it is imported and has no switch that turns them off afterwards.
"""

import os
import sys
import warnings

_ONNX_RUNTIME = "ORT_DISABLE_TELEMETRY"
VARIABLES = (_ONNX_RUNTIME, "HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
"""Environment variables that are set to 1, for this process and those that it starts."""


def switch_off() -> None:
    """Set `VARIABLES`; warn where ONNX Runtime was imported without its variable, for then it is too late."""
    was_off = os.environ.get(_ONNX_RUNTIME) == "1"
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None:
        hub.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
    runtime = sys.modules.get("onnxruntime")
    if runtime is None or was_off:
        return
    if hasattr(runtime, "disable_telemetry_events"):
        runtime.disable_telemetry_events()
    warnings.warn(
        "onnxruntime was imported before textlattice, with its maker's telemetry on. It has written a device id into "
        "your cache and may contact its maker until this process ends. Import textlattice first, or set "
        f"{_ONNX_RUNTIME}=1 before Python starts.",
        stacklevel=3,
    )
