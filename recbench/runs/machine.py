"""What numbers depend on beside config and seed, for the manifest: library versions and the machine."""

import platform
import resource
import sys
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "numpy",
    "torch",
    "transformers",
    "datasets",
    "pyarrow",
    "pandas",
    "scikit-learn",
    "hydra-core",
    "omegaconf",
)


def library_versions() -> dict[str, str]:
    """Version of recbench, Python and each library that numbers depend on, as a manifest has them."""
    from recbench.version import __version__

    versions = {"recbench": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def processor() -> str:
    """The processor's name, as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def peak_memory_mb() -> float:
    """The most memory that this process has had, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)
