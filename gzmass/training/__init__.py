"""Pretraining on votes and fine-tuning on mass-to-light ratios, in stages that can be interrupted and continued."""

from gzmass.training.finetune_ml import finetune_ml
from gzmass.training.pretrain_gz2 import pretrain_gz2
from gzmass.training.seen import count_seen, refuse_overlap, training_rows

__all__ = ["count_seen", "finetune_ml", "pretrain_gz2", "refuse_overlap", "training_rows"]
