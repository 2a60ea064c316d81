"""`bench screening`: recall on altered names, false alarms on clean ones, and the milliseconds a name takes, from files of names."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from django.db import connection

from backoffice.bench.measure import percentile
from fraud.screening.evaluation import curve, facts_of, rates, read_names, try_names
from fraud.screening.matching.matcher import Matcher
from fraud.screening.models import ScreeningPolicy
from fraud.screening.policy import DEFAULT_THRESHOLD, policy_in_force
from fraud.screening.reading import read_list


def run(*, list_file: Path, list_format: str, positives: Path, negatives: Path, threshold: float | None) -> dict[str, Any]:
    """Compare the names of two files with a list file, each alone. Needs no loaded list and writes nothing."""
    at, source = threshold_used(threshold)
    started = time.perf_counter()
    matcher = Matcher(facts_of(read_list(list_file, list_format)))
    built = time.perf_counter() - started
    altered, clean = try_names(matcher, read_names(positives)), try_names(matcher, read_names(negatives))
    took = altered.milliseconds + clean.milliseconds
    return {
        "name": "screening",
        **rates(altered, clean, at),
        "threshold_from": source,
        "p50_ms": percentile(took, 0.50),
        "p95_ms": percentile(took, 0.95),
        "p99_ms": percentile(took, 0.99),
        "max_ms": percentile(took, 1.0),
        "entries": len(matcher.entries),
        "names": len(matcher.index),
        "positives": len(altered.scores),
        "negatives": len(clean.scores),
        "positives_not_screenable": altered.not_screenable,
        "negatives_not_screenable": clean.not_screenable,
        "build_seconds": round(built, 3),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "curve": curve(altered, clean),
    }


def threshold_used(asked: float | None) -> tuple[float, str]:
    """Return the threshold and where it comes from: the option, the policy in force, or the code where nothing is installed."""
    if asked is not None:
        return asked, "option"
    if ScreeningPolicy._meta.db_table not in connection.introspection.table_names():
        return float(DEFAULT_THRESHOLD), "default"
    policy = policy_in_force()
    return float(policy.threshold), f"policy {policy.version}"
