"""The tables of docs/compatibility.md on files, uploads, containers and vector stores."""

from __future__ import annotations

from openai.types import (
    container_create_params,
    container_list_params,
    file_create_params,
    file_list_params,
    upload_complete_params,
    upload_create_params,
    vector_store_create_params,
    vector_store_list_params,
    vector_store_search_params,
    vector_store_update_params,
)
from openai.types.containers import file_create_params as container_file_params
from openai.types.containers import file_list_params as container_files_params
from openai.types.uploads import part_create_params
from openai.types.vector_stores import file_batch_create_params
from openai.types.vector_stores import file_create_params as store_file_create_params
from openai.types.vector_stores import file_list_params as store_file_list_params
from openai.types.vector_stores import file_update_params as store_file_update_params

from openedai.api.openai.containers.types import (
    ContainerCreateRequest,
    ContainerFileRequest,
    ContainerFilesQuery,
    ContainersQuery,
)
from openedai.api.openai.files.types import FileCreateRequest, FileListQuery
from openedai.api.openai.uploads.types import (
    PartCreateRequest,
    UploadCompleteRequest,
    UploadCreateRequest,
)
from openedai.api.openai.vector_stores.search import StoreSearchRequest
from openedai.api.openai.vector_stores.types import (
    BatchAddRequest,
    FileAddRequest,
    FileUpdateRequest,
    StoreCreateRequest,
    StoreFilesQuery,
    StoreListQuery,
    StoreUpdateRequest,
)
from tests.docs.apis.compatibility.bodies import FILE, Tables

FILE_TABLES: Tables = {
    ("Files", 0): (
        set(file_create_params.FileCreateParams.__annotations__),
        FileCreateRequest,
        FILE,
    ),
    ("Files", 1): (set(file_list_params.FileListParams.__annotations__), FileListQuery, {}),
    ("Uploads", 0): (
        set(upload_create_params.UploadCreateParams.__annotations__),
        UploadCreateRequest,
        {"bytes": 1, "filename": "a", "mime_type": "b", "purpose": "vision"},
    ),
    ("Uploads", 1): (
        set(part_create_params.PartCreateParams.__annotations__),
        PartCreateRequest,
        {"data": FILE["file"]},
    ),
    ("Uploads", 2): (
        set(upload_complete_params.UploadCompleteParams.__annotations__),
        UploadCompleteRequest,
        {"part_ids": []},
    ),
    ("Containers", 0): (
        set(container_create_params.ContainerCreateParams.__annotations__),
        ContainerCreateRequest,
        {"name": "a"},
    ),
    ("Containers", 1): (
        set(container_list_params.ContainerListParams.__annotations__),
        ContainersQuery,
        {},
    ),
    ("Containers", 2): (
        set(container_file_params.FileCreateParams.__annotations__),
        ContainerFileRequest,
        {},
    ),
    ("Containers", 3): (
        set(container_files_params.FileListParams.__annotations__),
        ContainerFilesQuery,
        {},
    ),
    ("Vector stores", 0): (
        set(vector_store_create_params.VectorStoreCreateParams.__annotations__),
        StoreCreateRequest,
        {},
    ),
    ("Vector stores", 1): (
        set(vector_store_update_params.VectorStoreUpdateParams.__annotations__),
        StoreUpdateRequest,
        {},
    ),
    ("Vector stores", 2): (
        set(vector_store_list_params.VectorStoreListParams.__annotations__),
        StoreListQuery,
        {},
    ),
    ("Vector stores", 3): (
        set(vector_store_search_params.VectorStoreSearchParams.__annotations__),
        StoreSearchRequest,
        {"query": "hi"},
    ),
    ("Files of vector stores", 0): (
        set(store_file_create_params.FileCreateParams.__annotations__),
        FileAddRequest,
        {"file_id": "file-2"},
    ),
    ("Files of vector stores", 1): (
        set(store_file_update_params.FileUpdateParams.__annotations__) - {"vector_store_id"},
        FileUpdateRequest,
        {"attributes": None},
    ),
    ("Files of vector stores", 2): (
        set(file_batch_create_params.FileBatchCreateParams.__annotations__),
        BatchAddRequest,
        {"file_ids": ["file-1"]},
    ),
    ("Files of vector stores", 3): (
        set(store_file_list_params.FileListParams.__annotations__),
        StoreFilesQuery,
        {},
    ),
}
