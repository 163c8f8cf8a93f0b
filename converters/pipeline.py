"""The conversion: read once, quantize on all cores, write every file in the same pass.

One thread reads and writes, in order; the others compute. Nothing is held but the slabs on their
way between them, so memory stays the same for every model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_limits

from converters.commit import commit, locked_folder, prepare, withdraw
from converters.conversion_plan import ConversionPlan, TensorPlan, make_plan
from converters.findings import listed
from converters.lora.records import records
from converters.quantize import Bytes
from converters.request import ConversionRequest
from converters.slabs import (
    Slab,
    SourceReader,
    encode_slab,
    in_flight,
    slab_size,
    source_files,
)
from converters.stages import Stage, Stopwatch
from converters.writer import FileWriter, disk_errors
from edge_med import __version__, _platform
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.manifest import (
    FORMAT,
    FileEntry,
    Manifest,
    ModelFacts,
    Recipe,
    Source,
    SourceFile,
    Tool,
)
from edge_med.errors import ArtifactError, CheckpointError, DiskShortError, InputError
from edge_med.units import show_size

Advance = Callable[[int, int], None]
"""Finding how many bytes of the source are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        manifest: manifest of the folder, with the new files.
        written: names of the new files.
        recovered: names of files that an earlier, killed run had written and that now count too.
        seconds: working time of each stage, added up over all threads.
    """

    manifest: Manifest
    written: tuple[str, ...]
    recovered: tuple[str, ...]
    seconds: dict[Stage, float]


def convert(
    request: ConversionRequest, advance: Advance = lambda _done, _total: None
) -> Conversion:
    """Convert a Hugging Face checkpoint to GGUF files and a manifest.

    Raises:
        UsageError: the request can't be followed.
        CheckpointError: the checkpoint is damaged or can't be converted.
        InputError: files of this name are there already.
        DiskShortError: the disk is, or becomes, too small; nothing is left behind.
        BusyError: another conversion writes into the folder.
    """
    return run(make_plan(request), advance)


def run(plan: ConversionPlan, advance: Advance = lambda _done, _total: None) -> Conversion:
    """Follow a plan; raises as `convert` does."""
    folder, watch = plan.request.folder, Stopwatch()
    with locked_folder(folder) as recovered:
        existing = _existing(plan)
        plan = _without_existing_projector(plan, existing)
        _check_disk(plan)
        with _writers(plan, watch) as writers:
            sources = _stream(plan, writers, watch, advance)
            entries = tuple(writer.finish() for writer in writers)
            manifest = _manifest(plan, entries, sources, existing)
            with disk_errors("the manifest", folder):
                prepare(folder, manifest)
        commit(folder, manifest)
    return Conversion(manifest, tuple(e.path for e in entries), recovered, watch.seconds())


@contextlib.contextmanager
def _writers(plan: ConversionPlan, watch: Stopwatch) -> Iterator[list[FileWriter]]:
    """A writer for each file; if anything goes wrong, their partial files go."""
    writers: list[FileWriter] = []
    try:
        for file in plan.files:
            writers.append(FileWriter(plan.request.folder, file, watch))
            writers[-1].start()
        yield writers
    except BaseException:
        withdraw(plan.request.folder)
        for writer in writers:
            writer.abandon()
        raise


def _stream(
    plan: ConversionPlan, writers: list[FileWriter], watch: Stopwatch, advance: Advance
) -> tuple[SourceFile, ...]:
    """Read slabs, have them encoded, and write them in the order in which they were read."""
    threads = plan.request.threads or _platform.usable_cores()
    depth = in_flight(threads)
    reader = SourceReader(plan.checkpoint, slab_size(plan.files, depth), watch)
    jobs = _jobs(writers)
    done, waiting = 0, deque[tuple[Slab, Future[list[Bytes]]]]()
    pool = ThreadPoolExecutor(threads, "quantize")
    # The products of adapters: numpy's own threads would take the cores from ours between them.
    limits = threadpool_limits(1, "blas")
    try:
        for slab in reader.slabs():
            wanted = [tensor for _, tensor in jobs.get(slab.tensor.name, [])]
            waiting.append((slab, pool.submit(encode_slab, slab, wanted, watch)))
            while len(waiting) >= depth:
                done += _write_oldest(waiting, jobs, reader)
                advance(done, plan.checkpoint.data_size)
        while waiting:
            done += _write_oldest(waiting, jobs, reader)
            advance(done, plan.checkpoint.data_size)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        reader.close()
        limits.restore_original_limits()
    _check_filled(reader.empty & jobs.keys())
    return reader.files()


def _check_filled(empty: set[str]) -> None:
    """Refuse matrices of zeros: they were lost on the way, and answers would be made up.

    A layer that adds nothing is one on purpose, if both of what it adds are zero: blocks begin like
    that where a model is deepened (LLaMA Pro, arXiv 2401.02415).
    """
    layers = [{name.removesuffix(end) for name in empty if name.endswith(end)} for end in _ADDED]
    added = {layer + end for layer in set.intersection(*layers) for end in _ADDED}
    if lost := sorted(empty - added):
        verb = "hold" if len(lost) > 1 else "holds"
        raise CheckpointError(
            f"{listed(lost)} {verb} only zeros: the weights are lost.",
            "Save or download the checkpoint again.",
        )


_ADDED = ("self_attn.o_proj.weight", "mlp.down_proj.weight")


Jobs = dict[str, list[tuple[FileWriter, TensorPlan]]]


def _jobs(writers: list[FileWriter]) -> Jobs:
    """For every tensor of the source, which files want it and as what."""
    jobs: Jobs = {}
    for writer in writers:
        for tensor in writer.plan.tensors:
            jobs.setdefault(tensor.source.name, []).append((writer, tensor))
    return jobs


def _write_oldest(
    waiting: deque[tuple[Slab, Future[list[Bytes]]]], jobs: Jobs, reader: SourceReader
) -> int:
    slab, future = waiting.popleft()
    encoded = future.result()
    for (writer, tensor), data in zip(jobs.get(slab.tensor.name, []), encoded, strict=True):
        if data.size:  # rows beyond the vocabulary are in no file
            writer.write(tensor, data.data)
    reader.release(slab)
    return slab.raw.nbytes


def _existing(plan: ConversionPlan) -> Manifest | None:
    """The manifest that is there already, if the new files may join it.

    Raises:
        InputError: the folder holds files of another source or recipe.
        ArtifactError: there is a manifest, but it can't be used.
    """
    request, folder = plan.request, plan.request.folder
    try:
        existing = manifests.load(folder)
    except ArtifactError:
        if not request.force:
            raise
        return None
    different = _difference(plan, existing) if existing else None
    if different is None or existing is None:
        return existing
    if not request.force:
        raise InputError(
            f"{folder.resolve().name} holds {existing.name}, which was made {different}.",
            "Choose another --out, or add --force to drop the old files from the manifest.",
        )
    return None


def _difference(plan: ConversionPlan, existing: Manifest) -> str | None:
    """The difference between the new files and those of the manifest, before any is read."""
    known = {f.path: f for f in existing.source.files}
    shards = {shard.path.name: shard.size for shard in plan.checkpoint.shards}
    small = {f.path: f for f in source_files(plan.checkpoint.small.all())}
    adapters = {name: path.stat().st_size for name, path in plan.checkpoint.adapter_files.items()}
    sizes = shards | adapters
    if (
        existing.name != plan.request.model_name
        or known.keys() != sizes.keys() | small.keys()
        or any(known[name].size != size for name, size in sizes.items())
        or any(known[name] != file for name, file in small.items())
    ):
        return "from other files"
    merged = tuple((one.name, one.strength) for one in existing.recipe.lora or ())
    if merged != plan.checkpoint.merged:
        return f"with {', '.join(f'{name}={scale:g}' for name, scale in merged)} merged into it"
    if existing.recipe.tensor_types != plan.request.tensor_types:
        types = " ".join(existing.recipe.tensor_types)
        return f"with --tensor-type {types}" if types else "without --tensor-type"
    if existing.model.template_sha256 != plan.template_sha256:
        return "with another chat template"  # of a --base, say, which no file of ours tells
    if existing.recipe.mmproj not in (None, plan.request.mmproj):
        return f"with --mmproj {existing.recipe.mmproj}"
    return None


def _without_existing_projector(plan: ConversionPlan, existing: Manifest | None) -> ConversionPlan:
    """Leave out a projector that the manifest lists already: all text types share one.

    Raises:
        InputError: any other file is there already.
    """
    folder, fresh = plan.request.folder, []
    for file in plan.files:
        known = existing.entry(file.name) if existing else None
        there = (folder / file.name).exists()
        if there and not plan.request.force:
            if file.role == "projector" and known and known.size == file.size:
                continue
            raise InputError(
                f"{file.name} exists already.",
                "Add --force to replace it, or choose another --out.",
            )
        fresh.append(file)
    return dataclasses.replace(plan, files=tuple(fresh))


def _check_disk(plan: ConversionPlan) -> None:
    free = shutil.disk_usage(plan.request.folder).free
    if plan.size > free:
        raise DiskShortError(
            f"The files need {show_size(plan.size)}, and {show_size(free)} are free.",
            "Free some space, choose another --out, or fewer --quant.",
        )


def _manifest(
    plan: ConversionPlan,
    entries: tuple[FileEntry, ...],
    sources: tuple[SourceFile, ...],
    existing: Manifest | None,
) -> Manifest:
    request = plan.request
    if existing is not None and existing.source.files != sources:
        if not request.force:
            raise InputError(
                f"The weights have changed since {request.folder.resolve().name} was made.",
                "Add --force, and give every --quant that you want, to convert all files again.",
            )
        existing = None
    files = _remaining_files(existing, entries, request.folder) + entries
    quants = dict.fromkeys(entry.quant for entry in files if entry.role == "text")
    return Manifest(
        format=FORMAT,
        name=request.model_name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        tool=Tool(__version__, version("llama-cpp-python"), version("gguf")),
        source=Source(
            request.origin.id,
            request.origin.revision,
            plan.licence,
            sources,
            plan.warnings,
        ),
        recipe=Recipe(
            quants=tuple(quants),
            mmproj=request.mmproj if plan.params.vision else None,
            tensor_types=request.tensor_types,
            lora=records(plan.adapters, sources) or None,
            imatrix=None,
        ),
        notice=plan.notice,
        model=_facts(plan),
        files=files,
    )


def _remaining_files(
    existing: Manifest | None, entries: tuple[FileEntry, ...], folder: Path
) -> tuple[FileEntry, ...]:
    """Files of the existing manifest that are still there and aren't replaced."""
    fresh = {entry.path for entry in entries}
    return tuple(
        entry
        for entry in (existing.files if existing else ())
        if entry.path not in fresh and (folder / entry.path).is_file()
    )


def _facts(plan: ConversionPlan) -> ModelFacts:
    text, vision = plan.params.text, plan.params.vision
    return ModelFacts(
        architecture="gemma3",
        layers=text.layers,
        hidden=text.hidden,
        vocabulary=text.vocabulary,
        context=text.context,
        window=text.window,
        image_size=vision.image_size if vision else None,
        image_tokens=vision.image_tokens if vision else None,
        template_sha256=plan.template_sha256,
    )
