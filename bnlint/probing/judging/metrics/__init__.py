"""What the probe judges: one metric each, from measured data to findings.

A metric is a function of the measurements that yields verdicts; ``METRICS`` lists them all, and
``docs`` of each says definition, unit, default and source. To add one, write it and list it here.
"""

from __future__ import annotations

from bnlint.probing.judging.metrics import gradients, norms, units, whole
from bnlint.probing.judging.metrics.kinds import Metric

METRICS: tuple[Metric, ...] = (
    units.DEAD_LAYER,
    units.DEAD_UNITS,
    units.FROZEN_UNITS,
    units.SIGNAL_COLLAPSE,
    units.INACTIVE_SHARE,
    units.SATURATION,
    gradients.VANISHING,
    gradients.EXPLOSION,
    units.NON_FINITE,
    units.HALF_HEADROOM,
    norms.LOW_VARIANCE,
    norms.DRIFT,
    whole.BATCH_NOISE,
    norms.BATCH_OF_ONE,
    whole.TRAIN_EVAL_GAP,
)
