"""The services that the groups of the API use. `openedai.api` gives each group its part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Services:
    settings: Settings
    catalog: Catalog
    pool: ModelPool
    metrics: Metrics
    limiting: Limiting
    limit_records: LimitRecords
    project_limits: ProjectLimits
    ends: Ends
    usage: UsageRecording | None
    usage_records: UsageRecords
    usage_sums: UsageSums
    activity: Activity
    downloads: Downloads
    library: Library
    recent_logs: RecentLogs
    leases: Leases
    generation: Generation
    embedding: Embedding
    reranking: Reranking
    deciding: Deciding
    moderation: Moderation
    transcription: Transcription
    image_loading: ImageLoading
    file_loading: FileLoading
    hearing: Hearing
    speaking: Speaking
    image_inputs: ImageInputs
    image_making: ImageMaking
    image_store: ImageStore
    image_threads: ImageThreads
    mcp_hosts: Hosts | None
    public: PublicAddress
    speech: Speech
    listing: Listing
    loading: Loading
    weight_facts: WeightFactsReader
    store: Store
    administration: Administration
    files: Files
    uploads: Uploads
    jobs: Jobs
    batches: Batches
    tuning_records: FineTuningRecords
    tuned: TunedModels
    fine_tuning: FineTuning
    stored_chats: StoredChats
    keeping: ResponseKeeping
    assistants: AssistantKeeping
    vector_stores: VectorStoreService
    store_embedding: StoreEmbedding
    search_caches: SearchCaches
    store_search: StoreSearch
    containers: ContainerService

    @classmethod
    def of(
        cls,
        settings: Settings,
        catalog: Catalog,
        pool: ModelPool,
        metrics: Metrics,
        images: Images,
        library: Library,
        downloads: Downloads,
        started: int,
        limits_clock: Callable[[], float] | None,
        tracing: Tracing | None,
    ) -> Services:
        """`started` is when the server started, in seconds since 1970."""
        database_url = settings.database.reveal() if settings.database else ""
        store = Store(settings.data, database_url, settings.blobs)
        limit_records = LimitRecords(store)
        limiting = Limiting.of(
            settings.limits, limit_records, limits_clock, shared=bool(database_url)
        )
        leases = Leases(pool, catalog, limiting)
        loading = Loading(pool, library, downloads)
        transcription, speech = Transcription(leases), Speech(leases)
        embedding = Embedding(leases)
        threads = ImageThreads()
        image_store = ImageStore(settings.data / "images", settings.image_url_lifetime)
        limits = FileLimits(
            settings.file_max_bytes,
            settings.files_max_bytes,
            settings.files_max_bytes_per_key,
            storage_limits(settings.limits),
        )
        store_files, jobs = VectorStoreFiles(store), Jobs(store)
        files = Files(store, limits, file_remover(store_files, jobs))
        records = FineTuningRecords(store)
        tuned = TunedModels(catalog, store, records, settings.data / "adapters")
        max_pixels = settings.image_max_pixels
        generation = Generation(leases)
        reranking = Reranking(leases, embedding)
        store_embedding = StoreEmbedding(catalog, embedding)
        caches = SearchCaches(store, store_files, settings.data / "search", settings.vector_memory)
        usage_records = UsageRecords(store, settings.usage_lifetime, settings.usage_max_records)
        prices, activity = Prices(settings.prices), Activity()
        recorders: list[Recorder] = [activity]
        if tracing is not None:
            recorders.append(tracing)
        usage = UsageRecording(UsageWriter(usage_records), prices) if settings.usage else None
        if usage is not None:
            metrics.add_usage(usage.writer)
            recorders.append(usage)
        if settings.metrics_by:
            recorders.append(OwnerMetrics(metrics.registry, settings.metrics_by, prices))
        return cls(
            settings=settings,
            catalog=catalog,
            pool=pool,
            metrics=metrics,
            ends=Ends(metrics, recorders),
            usage=usage,
            usage_records=usage_records,
            usage_sums=UsageSums(store),
            activity=activity,
            downloads=downloads,
            library=library,
            recent_logs=RecentLogs(),
            limiting=limiting,
            limit_records=limit_records,
            project_limits=ProjectLimits(limit_records, limiting),
            leases=leases,
            generation=generation,
            embedding=embedding,
            reranking=reranking,
            deciding=Deciding(leases),
            moderation=Moderation(leases, settings.moderation_thresholds),
            transcription=transcription,
            image_loading=ImageLoading(images),
            file_loading=FileLoading(files, settings.max_body_bytes),
            hearing=Hearing(catalog, transcription),
            speaking=Speaking(catalog, speech),
            image_inputs=ImageInputs(images, image_store, files, threads, max_pixels),
            image_making=ImageMaking(leases, threads),
            image_store=image_store,
            image_threads=threads,
            mcp_hosts=_mcp_hosts(settings),
            public=PublicAddress(settings.public_url),
            speech=speech,
            listing=Listing(catalog, pool, settings.listed_aliases, tuned, started),
            loading=loading,
            weight_facts=WeightFactsReader(library),
            store=store,
            administration=Administration(store),
            files=files,
            uploads=Uploads(store, files),
            jobs=jobs,
            batches=Batches(store, files, jobs),
            tuning_records=records,
            tuned=tuned,
            fine_tuning=FineTuning(store, records, files, jobs, catalog, tuned),
            stored_chats=StoredChats(store),
            keeping=ResponseKeeping(store, jobs, settings.response_lifetime),
            assistants=AssistantKeeping(store, jobs),
            vector_stores=VectorStoreService(store, store_files, files, jobs, catalog),
            store_embedding=store_embedding,
            search_caches=caches,
            store_search=StoreSearch(
                catalog, store_files.stores, caches, store_embedding, reranking, generation
            ),
            containers=ContainerService(settings, store, files),
        )


def _mcp_hosts(settings: Settings) -> Hosts | None:
    """The hosts of MCP servers; None if the settings allow none, or their library is not there."""
    if settings.offline or not settings.mcp_servers or find_spec("mcp") is None:
        return None
    return Hosts(HostPolicy.parse(settings.mcp_private_hosts), "mcp-hosts")
