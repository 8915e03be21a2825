"""The tables of docs/compatibility.md on batches, fine-tuning and graders."""

from __future__ import annotations

from openai.types import batch_create_params, batch_list_params
from openai.types.fine_tuning import job_create_params, job_list_params
from openai.types.fine_tuning.alpha import grader_run_params

from openedai.api.openai.batches.types import BatchCreateRequest, BatchListQuery
from openedai.api.openai.fine_tuning.types import JobCreateRequest, JobListQuery
from openedai.api.openai.graders.types import GraderRunRequest
from tests.docs.apis.compatibility.bodies import GRADER, TUNING, Tables

JOB_TABLES: Tables = {
    ("Batches", 0): (
        set(batch_create_params.BatchCreateParams.__annotations__),
        BatchCreateRequest,
        {"input_file_id": "f", "endpoint": "e", "completion_window": "24h"},
    ),
    ("Batches", 1): (set(batch_list_params.BatchListParams.__annotations__), BatchListQuery, {}),
    ("Fine-tuning jobs", 0): (
        set(job_create_params.JobCreateParams.__annotations__),
        JobCreateRequest,
        TUNING,
    ),
    ("Fine-tuning jobs", 1): (set(job_list_params.JobListParams.__annotations__), JobListQuery, {}),
    ("Graders", 0): (
        set(grader_run_params.GraderRunParams.__annotations__),
        GraderRunRequest,
        {"grader": GRADER, "model_sample": "hi"},
    ),
}
