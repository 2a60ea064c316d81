"""The workers' configuration: what reliability asks of the queue."""

import pytest
from django.conf import settings

from backoffice.celery import QUEUES, app, task_rooms


def test_a_task_lost_with_its_worker_is_given_out_again():
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1


def test_time_limits_stay_below_the_lease():
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit < settings.LEASE_SECONDS


def test_messages_are_json_and_results_are_nobodys_truth():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert app.conf.task_ignore_result
    assert app.conf.result_backend in (None, "disabled://")


def test_every_task_goes_to_a_queue_that_a_worker_reads():
    app.loader.import_default_modules()
    assert {queue.name for queue in app.conf.task_queues} == set(QUEUES)
    own = [task for name, task in app.tasks.items() if name.startswith(tuple(room.partition(".")[0] for room in task_rooms()))]
    for task in own:
        assert (getattr(task, "queue", None) or app.conf.task_default_queue) in QUEUES, task.name


def test_a_bell_that_cannot_ring_gives_up_soon():
    policy = app.conf.task_publish_retry_policy
    assert policy["max_retries"] <= 1
    assert app.conf.broker_transport_options["socket_connect_timeout"] <= 3


@pytest.mark.parametrize("name", ["broker_url"])
def test_the_broker_is_the_configured_one(name: str):
    assert app.conf[name] == settings.BROKER_URL
