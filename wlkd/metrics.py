"""Every metric of the core, on a registry of its own. Names: `wlkd_<noun>_<unit>[_total]`; no label per client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.registry import Collector

from wlkd import __version__
from wlkd.contract.errors import Code
from wlkd.host.build import commit

# Of the whole process, so also of the plugins' metrics. Otherwise each counter and histogram has a second series, the
# time at which it was made, which Prometheus would keep like any other and which no rule or alert uses.
disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


class _BackendMetrics(Collector):
    """Shows the metrics of the backends that new sessions get, with the name of the engine. Backends of one kind, and
    one that a reload replaced, have the same names."""

    def __init__(self) -> None:
        self.registries: Mapping[str, CollectorRegistry] = {}

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for engine, registry in self.registries.items():
            for metric in registry.collect():
                family = families.setdefault(
                    metric.name, Metric(metric.name, metric.documentation, metric.type, metric.unit)
                )
                family.samples += [
                    sample._replace(labels={**sample.labels, "engine": engine}) for sample in metric.samples
                ]
        return families.values()


@dataclass(frozen=True)
class EngineMetrics:
    """What one engine counts."""

    steps: Counter
    batch_seconds: Histogram
    batch_size: Histogram


class Metrics:
    """The core's metrics. Components register theirs on `registry` beside them; the backend has its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._backend = _BackendMetrics()
        self.registry.register(self._backend)
        self._count_sessions()
        self._count_words()
        self._count_speakers()
        self._count_translation()
        self._count_inference()
        self._count_daemon()

    def _count_sessions(self) -> None:
        self.sessions_open = Gauge(
            "wlkd_sessions_open", "Sessions being served now", ["transport"], registry=self.registry
        )
        self.sessions_limit = Gauge("wlkd_sessions_limit", "Sessions admitted at most", registry=self.registry)
        self.sessions_closed = Counter(
            "wlkd_sessions_closed_total", "Sessions ended, by reason", ["transport", "reason"], registry=self.registry
        )
        self.sessions_refused = Counter(
            "wlkd_sessions_refused_total", "Clients turned away, by reason", ["reason"], registry=self.registry
        )
        self.sessions_resumed = Counter(
            "wlkd_sessions_resumed_total",
            "Streams taken up again after a lost connection, by where they had been",
            ["from"],
            registry=self.registry,
        )

    def _count_words(self) -> None:
        self.audio_seconds = Counter(
            "wlkd_audio_received_seconds_total", "Audio decoded, silence included", registry=self.registry
        )
        self.speech_seconds = Counter(
            "wlkd_speech_seconds_total", "Speech handed to the backend", registry=self.registry
        )
        self.words = Counter("wlkd_words_committed_total", "Words committed", registry=self.registry)
        self.deaf = Gauge(
            "wlkd_sessions_deaf", "Live sessions with 30 s of speech and no committed word, now", registry=self.registry
        )
        self.deaf_alarms = Counter(
            "wlkd_deaf_alarms_total", "Times a live session came to be deaf", registry=self.registry
        )
        self.commit_lag = Histogram(
            "wlkd_commit_lag_seconds",
            "Audio of live sessions received and not yet settled, at each of their inference steps",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )

    def _count_speakers(self) -> None:
        self.diarization_failures = Counter(
            "wlkd_diarization_failures_total",
            "Sessions whose diarizer failed; words go on without",
            registry=self.registry,
        )
        self.diarization_skipped = Counter(
            "wlkd_diarization_skipped_seconds_total",
            "Speech that came too fast for the diarizer",
            registry=self.registry,
        )
        self.guessed_speakers = Counter(
            "wlkd_diarization_guessed_words_total",
            "Words told before their speaker was settled",
            registry=self.registry,
        )

    def _count_translation(self) -> None:
        self.translation_delay = Histogram(
            "wlkd_translation_delay_seconds",
            "From the last word of a sentence to its translation",
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.translation_waiting = Gauge(
            "wlkd_translation_waiting_sentences",
            "Finished sentences that wait for the translator",
            registry=self.registry,
        )
        self.translation_seconds = Counter(
            "wlkd_translation_busy_seconds_total", "Time that the translator has taken", registry=self.registry
        )
        self.translation_failures = Counter(
            "wlkd_translation_failures_total", "Sentences at which the translator failed", registry=self.registry
        )
        self.translation_skipped = Counter(
            "wlkd_translation_skipped_total",
            "Sentences left untranslated because the translator was too late",
            registry=self.registry,
        )

    def _count_inference(self) -> None:
        of_engine: dict[str, Any] = {"labelnames": ["engine"], "registry": self.registry}
        self._steps = Counter("wlkd_inference_steps_total", "Session steps run by the backend", **of_engine)
        self._batch_seconds = Histogram(
            "wlkd_inference_batch_seconds",
            "Duration of one batch, but of uploads beside live streams",
            buckets=_LATENCY_BUCKETS,
            **of_engine,
        )
        self._batch_size = Histogram(
            "wlkd_inference_batch_sessions", "Sessions in one batch", buckets=(1, 2, 4, 8, 16, 32, 64), **of_engine
        )
        self.busy_ratio = Gauge(
            "wlkd_inference_busy_ratio", "Share of the threads' recent time spent in inference", **of_engine
        )
        self.chunk_seconds = Gauge(
            "wlkd_inference_chunk_seconds", "New speech that makes a session due, now", **of_engine
        )
        self.engine_sessions = Gauge("wlkd_engine_sessions_open", "Sessions at the engine now", **of_engine)
        self.engine_capacity = Gauge(
            "wlkd_engine_sessions_possible", "Sessions that the engine keeps up with when it is alone", **of_engine
        )
        self.engine_fails_uploads = Gauge(
            "wlkd_engine_fails_uploads", "1: the engine fails for every upload, also for test speech", **of_engine
        )
        self.handovers = Counter(
            "wlkd_engine_handovers_total",
            "Sessions whose language the default engine decided, and which this one took over",
            **of_engine,
        )

    def _count_daemon(self) -> None:
        self.loop_delay = Histogram(
            "wlkd_event_loop_delay_seconds",
            "How late the event loop woke a timer",
            buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )
        self.observer_errors = Counter(
            "wlkd_observer_errors_total", "Exceptions raised by plugins' observers", ["plugin"], registry=self.registry
        )
        build_info = Gauge(
            "wlkd_build_info", "1; the labels say what runs", ["version", "commit"], registry=self.registry
        )
        build_info.labels(__version__, commit()).set(1)
        self.stuck_threads = Gauge(
            "wlkd_stuck_threads",
            "Threads in a plugin's call that has not returned within worker.stall_seconds",
            ["pool"],
            registry=self.registry,
        )
        self.plugin_failures = Gauge(
            "wlkd_plugin_load_failures", "Plugins that could not be loaded", registry=self.registry
        )

    def engine(self, name: str) -> EngineMetrics:
        """What the engine `name` counts."""
        self.handovers.labels(name)
        return EngineMetrics(self._steps.labels(name), self._batch_seconds.labels(name), self._batch_size.labels(name))

    def show_backends(self, registries: Mapping[str, CollectorRegistry]) -> None:
        """From now on show the metrics of these backends, by the names of their engines."""
        for gone in self._backend.registries.keys() - registries.keys():
            for gauge in (
                self.busy_ratio,
                self.chunk_seconds,
                self.engine_sessions,
                self.engine_capacity,
                self.engine_fails_uploads,
            ):
                gauge.remove(gone)
        self._backend.registries = registries

    def expect(self, transports: Iterable[str]) -> None:
        """Show every series that may be counted at 0 from the start: a rate over one that is born at 1 is 0."""
        for code in Code:
            self.sessions_refused.labels(code)
        for place in ("here", "elsewhere"):
            self.sessions_resumed.labels(place)
        for transport in transports:
            self.sessions_open.labels(transport)
            for reason in ("finished", "disconnected", *Code):
                self.sessions_closed.labels(transport, reason)
