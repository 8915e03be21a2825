"""The services that the groups of the API use. `openedai.api` gives each group those that it
needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from importlib.util import find_spec

from openedai.catalog.catalog import Catalog
from openedai.config import Settings
from openedai.config.limits import storage_limits
from openedai.http.public_address import PublicAddress
from openedai.images.threads import ImageThreads
from openedai.jobs.jobs import Jobs
from openedai.media.addresses import HostPolicy
from openedai.media.hosts import Hosts
from openedai.media.images import Images
from openedai.scheduling.pool import ModelPool
from openedai.security.administration import Administration
from openedai.serving.assistants.keeping import AssistantKeeping
from openedai.serving.audio.hearing import Hearing
from openedai.serving.audio.speaking import Speaking
from openedai.serving.audio.speech import Speech
from openedai.serving.audio.transcription import Transcription
from openedai.serving.batches.service import Batches
from openedai.serving.containers.service import ContainerService
from openedai.serving.deciding import Deciding
from openedai.serving.embedding import Embedding
from openedai.serving.files.loading import FileLoading
from openedai.serving.fine_tuning.jobs import FineTuning
from openedai.serving.fine_tuning.models import TunedModels
from openedai.serving.generation import Generation
from openedai.serving.images.inputs import ImageInputs
from openedai.serving.images.loading import ImageLoading
from openedai.serving.images.making import ImageMaking
from openedai.serving.images.store import ImageStore
from openedai.serving.leases import Leases
from openedai.serving.limits.limiting import Limiting
from openedai.serving.limits.projects import ProjectLimits
from openedai.serving.models.downloads import Downloads
from openedai.serving.models.listing import Listing
from openedai.serving.models.loading import Loading
from openedai.serving.moderation import Moderation
from openedai.serving.monitoring.activity import Activity
from openedai.serving.monitoring.metrics import Metrics
from openedai.serving.monitoring.recent_logs import RecentLogs
from openedai.serving.reranking import Reranking
from openedai.serving.responses.keeping import ResponseKeeping
from openedai.serving.tracing.context import TraceHeaders, client_trace
from openedai.serving.tracing.spans import Tracing
from openedai.serving.usage.ends import Ends, Recorder
from openedai.serving.usage.owner_metrics import OwnerMetrics
from openedai.serving.usage.prices import Prices
from openedai.serving.usage.recording import UsageRecording
from openedai.serving.usage.writing import UsageWriter
from openedai.serving.vector_stores.caches import SearchCaches
from openedai.serving.vector_stores.embedding import StoreEmbedding
from openedai.serving.vector_stores.searching import StoreSearch
from openedai.serving.vector_stores.service import VectorStoreService, file_remover
from openedai.store.conversations.chats import StoredChats
from openedai.store.files import Files
from openedai.store.fine_tuning import FineTuningRecords
from openedai.store.limits import LimitRecords
from openedai.store.quotas import FileLimits
from openedai.store.store import Store
from openedai.store.uploads import Uploads
from openedai.store.usage.records import UsageRecords
from openedai.store.usage.sums import UsageSums
from openedai.store.vector_stores.files import VectorStoreFiles
from openedai.weights.facts import WeightFactsReader
from openedai.weights.library import Library


class Services:
    """Each service is made at its first use; for those that the routes use, that is in
    `create_app`.

    `started` is when the server started, in seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        pool: ModelPool,
        metrics: Metrics,
        images: Images,
        library: Library,
        downloads: Downloads,
        *,
        started: int,
        limits_clock: Callable[[], float] | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.settings = settings
        self.catalog = catalog
        self.pool = pool
        self.metrics = metrics
        self.library = library
        self.downloads = downloads
        self._images = images
        self._started = started
        self._limits_clock = limits_clock
        self._tracing = tracing

    @cached_property
    def public(self) -> PublicAddress:
        return PublicAddress(self.settings.public_url)

    @cached_property
    def store(self) -> Store:
        url = self._database_url
        return Store(self.settings.data, url, self.settings.blobs)

    @cached_property
    def jobs(self) -> Jobs:
        return Jobs(self.store)

    @cached_property
    def administration(self) -> Administration:
        return Administration(self.store)

    @cached_property
    def limit_records(self) -> LimitRecords:
        return LimitRecords(self.store)

    @cached_property
    def limiting(self) -> Limiting:
        return Limiting.of(
            self.settings.limits,
            self.limit_records,
            self._limits_clock,
            shared=bool(self._database_url),
        )

    @cached_property
    def project_limits(self) -> ProjectLimits:
        return ProjectLimits(self.limit_records, self.limiting)

    @cached_property
    def leases(self) -> Leases:
        return Leases(self.pool, self.catalog, self.limiting, self.trace_headers)

    @cached_property
    def trace_headers(self) -> TraceHeaders:
        return client_trace if self._tracing is None else self._tracing.headers

    @cached_property
    def usage_records(self) -> UsageRecords:
        settings = self.settings
        return UsageRecords(self.store, settings.usage_lifetime, settings.usage_max_records)

    @cached_property
    def usage_sums(self) -> UsageSums:
        return UsageSums(self.store)

    @cached_property
    def usage(self) -> UsageRecording | None:
        """None if the settings keep no usage."""
        if not self.settings.usage:
            return None
        usage = UsageRecording(UsageWriter(self.usage_records), self._prices)
        self.metrics.add_usage(usage.writer)
        return usage

    @cached_property
    def activity(self) -> Activity:
        return Activity()

    @cached_property
    def ends(self) -> Ends:
        settings = self.settings
        recorders: list[Recorder] = [self.activity]
        if self._tracing is not None:
            recorders.append(self._tracing)
        if self.usage is not None:
            recorders.append(self.usage)
        if settings.metrics_by:
            registry = self.metrics.registry
            recorders.append(OwnerMetrics(registry, settings.metrics_by, self._prices))
        return Ends(self.metrics, recorders)

    @cached_property
    def recent_logs(self) -> RecentLogs:
        return RecentLogs()

    @cached_property
    def listing(self) -> Listing:
        aliases = self.settings.listed_aliases
        return Listing(self.catalog, self.pool, aliases, self.tuned, self._started)

    @cached_property
    def loading(self) -> Loading:
        return Loading(self.pool, self.library, self.downloads)

    @cached_property
    def weight_facts(self) -> WeightFactsReader:
        return WeightFactsReader(self.library)

    @cached_property
    def generation(self) -> Generation:
        return Generation(self.leases)

    @cached_property
    def embedding(self) -> Embedding:
        return Embedding(self.leases)

    @cached_property
    def reranking(self) -> Reranking:
        return Reranking(self.leases, self.embedding)

    @cached_property
    def deciding(self) -> Deciding:
        return Deciding(self.leases)

    @cached_property
    def moderation(self) -> Moderation:
        return Moderation(self.leases, self.settings.moderation_thresholds)

    @cached_property
    def transcription(self) -> Transcription:
        return Transcription(self.leases)

    @cached_property
    def hearing(self) -> Hearing:
        return Hearing(self.catalog, self.transcription)

    @cached_property
    def speech(self) -> Speech:
        return Speech(self.leases)

    @cached_property
    def speaking(self) -> Speaking:
        return Speaking(self.catalog, self.speech)

    @cached_property
    def image_threads(self) -> ImageThreads:
        return ImageThreads()

    @cached_property
    def image_store(self) -> ImageStore:
        return ImageStore(self.settings.data / "images", self.settings.image_url_lifetime)

    @cached_property
    def image_loading(self) -> ImageLoading:
        return ImageLoading(self._images)

    @cached_property
    def image_inputs(self) -> ImageInputs:
        sources = (self._images, self.image_store, self.files)
        return ImageInputs(*sources, self.image_threads, self.settings.image_max_pixels)

    @cached_property
    def image_making(self) -> ImageMaking:
        return ImageMaking(self.leases, self.image_threads)

    @cached_property
    def files(self) -> Files:
        limits = FileLimits(
            self.settings.file_max_bytes,
            self.settings.files_max_bytes,
            self.settings.files_max_bytes_per_key,
            storage_limits(self.settings.limits),
        )
        return Files(self.store, limits, file_remover(self._store_files, self.jobs))

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(self.store, self.files)

    @cached_property
    def file_loading(self) -> FileLoading:
        return FileLoading(self.files, self.settings.max_body_bytes)

    @cached_property
    def batches(self) -> Batches:
        return Batches(self.store, self.files, self.jobs)

    @cached_property
    def tuning_records(self) -> FineTuningRecords:
        return FineTuningRecords(self.store)

    @cached_property
    def tuned(self) -> TunedModels:
        folder = self.settings.data / "adapters"
        return TunedModels(self.catalog, self.store, self.tuning_records, folder)

    @cached_property
    def fine_tuning(self) -> FineTuning:
        records = self.tuning_records
        return FineTuning(self.store, records, self.files, self.jobs, self.catalog, self.tuned)

    @cached_property
    def stored_chats(self) -> StoredChats:
        return StoredChats(self.store)

    @cached_property
    def keeping(self) -> ResponseKeeping:
        return ResponseKeeping(self.store, self.jobs, self.settings.response_lifetime)

    @cached_property
    def assistants(self) -> AssistantKeeping:
        return AssistantKeeping(self.store, self.jobs)

    @cached_property
    def vector_stores(self) -> VectorStoreService:
        files = self._store_files
        return VectorStoreService(self.store, files, self.files, self.jobs, self.catalog)

    @cached_property
    def store_embedding(self) -> StoreEmbedding:
        return StoreEmbedding(self.catalog, self.embedding)

    @cached_property
    def search_caches(self) -> SearchCaches:
        folder, memory = self.settings.data / "search", self.settings.vector_memory
        return SearchCaches(self.store, self._store_files, folder, memory)

    @cached_property
    def store_search(self) -> StoreSearch:
        return StoreSearch(
            self.catalog,
            self._store_files.stores,
            self.search_caches,
            self.store_embedding,
            self.reranking,
            self.generation,
        )

    @cached_property
    def containers(self) -> ContainerService:
        return ContainerService(self.settings, self.store, self.files)

    @cached_property
    def mcp_hosts(self) -> Hosts | None:
        """The hosts of MCP servers; None if these are not allowed or the MCP library is missing."""
        settings = self.settings
        if settings.offline or not settings.mcp_servers or find_spec("mcp") is None:
            return None
        return Hosts(HostPolicy.parse(settings.mcp_private_hosts), "mcp-hosts")

    @cached_property
    def _prices(self) -> Prices:
        return Prices(self.settings.prices)

    @cached_property
    def _store_files(self) -> VectorStoreFiles:
        return VectorStoreFiles(self.store)

    @property
    def _database_url(self) -> str:
        return self.settings.database.reveal() if self.settings.database else ""
