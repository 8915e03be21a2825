"""The URLs of files, of the vector stores that search them, and of the containers where code uses
them.
"""

from __future__ import annotations

from openedai.api.calls import Calls
from openedai.api.route import Group, Route
from openedai.serving.services import Services


def file_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """Files, and uploads of larger ones in parts."""
    files = Group("openai.files.routes:FileRoutes", calls, s.files)
    uploads = Group("openai.uploads.routes:UploadRoutes", calls, s.uploads)
    path, upload = "/v1/files/{id}", "/v1/uploads/{id}"
    return (
        Route("POST", "/v1/files", files["create"], "Keep a file"),
        Route("GET", "/v1/files", files["list_files"], "List the files"),
        Route("GET", path, files["retrieve"], "Show a file"),
        Route("DELETE", path, files["delete"], "Delete a file"),
        Route("GET", f"{path}/content", files["read"], "The bytes of a file"),
        Route("POST", "/v1/uploads", uploads["create"], "Begin a file in parts"),
        Route("POST", f"{upload}/parts", uploads["add_part"], "Add a part"),
        Route("POST", f"{upload}/complete", uploads["complete"], "Make the file of the parts"),
        Route("POST", f"{upload}/cancel", uploads["cancel"], "Give an upload up"),
    )


def vector_store_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """Vector stores, the files in them, and their search."""
    stores = Group(
        "openai.vector_stores.routes:VectorStoreRoutes",
        *(calls, s.vector_stores, s.store_search, s.search_caches),
    )
    path, store = "/v1/vector_stores", "/v1/vector_stores/{id}"
    files, batches = f"{store}/files", f"{store}/file_batches"
    file, batch = f"{files}/{{file_id}}", f"{batches}/{{batch_id}}"
    return (
        Route("POST", path, stores["create"], "Make a vector store"),
        Route("GET", path, stores["list_stores"], "List the vector stores"),
        Route("GET", store, stores["retrieve"], "Show a vector store"),
        Route("POST", store, stores["update"], "Change its name, metadata and expiry"),
        Route("DELETE", store, stores["delete"], "Delete a vector store"),
        Route("POST", f"{store}/search", stores["search"], "Search a vector store"),
        Route("POST", files, stores["add_file"], "Add a file to it"),
        Route("GET", files, stores["list_files"], "List its files"),
        Route("GET", file, stores["retrieve_file"], "Show a file of it"),
        Route("POST", file, stores["update_file"], "Change the attributes of a file"),
        Route("GET", f"{file}/content", stores["read_file"], "The text of a file"),
        Route("DELETE", file, stores["remove_file"], "Take a file out of it"),
        Route("POST", batches, stores["add_batch"], "Add several files"),
        Route("GET", batch, stores["retrieve_batch"], "Show a batch of files"),
        Route("POST", f"{batch}/cancel", stores["cancel_batch"], "Cancel a batch of files"),
        Route("GET", f"{batch}/files", stores["list_batch_files"], "List the files of a batch"),
    )


def container_routes(s: Services, calls: Calls) -> tuple[Route, ...]:
    """Containers, and the files in them."""
    containers = Group("openai.containers.routes:ContainerRoutes", calls, s.containers)
    path, container = "/v1/containers", "/v1/containers/{id}"
    files, file = f"{container}/files", f"{container}/files/{{file_id}}"
    return (
        Route("POST", path, containers["create"], "Make a container for code"),
        Route("GET", path, containers["list_containers"], "List the containers"),
        Route("GET", container, containers["retrieve"], "Show a container"),
        Route("DELETE", container, containers["delete"], "Delete a container"),
        Route("POST", files, containers["add_file"], "Put a file into it"),
        Route("GET", files, containers["list_files"], "List its files"),
        Route("GET", file, containers["retrieve_file"], "Show a file of it"),
        Route("DELETE", file, containers["delete_file"], "Delete a file of it"),
        Route("GET", f"{file}/content", containers["read_file"], "The bytes of a file of it"),
    )
