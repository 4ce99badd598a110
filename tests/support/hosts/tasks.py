"""The same as Celery tasks, over a folder as the broker."""

from __future__ import annotations

import os

from celery import Celery
from tests.support.hosts.app import record

folder = os.environ["CELERY_FOLDER"]
celery = Celery(
    "tests.support.hosts.tasks",
    broker="filesystem://",
    broker_transport_options={
        "data_folder_in": folder,
        "data_folder_out": folder,
        "control_folder": f"{folder}-control",
    },
)
celery.conf.worker_hijack_root_logger = False


@celery.task
def emit(first, last):
    for number in range(first, last):
        record(str(number))
