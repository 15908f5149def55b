"""Labels of Labelbox export v2, of any medium, out of their decoded structs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET, Struct

from annokit.errors import GeometryError, InputError, Where, shown
from annokit.formats._labelbox import wire
from annokit.formats._labelbox.objects import NAME, ObjectBuilder, classifications
from annokit.formats._labelbox.shared import Batch, Masks, given, plain, reviews_of
from annokit.formats._labelbox.video import FrameReader
from annokit.io.faults import Spot, spot_path
from annokit.model import Annotation, Asset, Label, Relationship

__all__ = ["LabelBuilder", "Place", "known_labels", "objects_of", "places", "relationship", "repeats"]

_NOTHING, _NO_DETAILS, _NO_EFFORT = wire.Annotations(), wire.LabelDetails(), wire.Performance()
_NO_PROJECT = wire.Project()


class Place(Struct, frozen=True):
    """A list of labels: of a project, or of a model's run in an experiment."""

    spot: Spot
    labels: Sequence[wire.Label]
    project_id: str | None = None
    project: wire.Project | None = None
    run: tuple[str, str, str] | None = None
    """Experiment, run, and the key of the list."""


def places(row: wire.Row) -> Iterator[Place]:
    """Where a row has labels; those that a run repeats from a project are passed over."""
    for project_id, project in row.projects.items():
        yield Place(((("$", "projects"), project_id), "labels"), project.labels, project_id, project)
    known = known_labels(row) if row.experiments else set()
    for experiment_id, experiment in row.experiments.items():
        for run_id, run in experiment.runs.items():
            spot: Spot = (((("$", "experiments"), experiment_id), "runs"), run_id)
            if not repeats(run, known):
                yield Place((spot, "labels"), run.labels, run=(experiment_id, run_id, "labels"))
            yield Place((spot, "predictions"), run.predictions, run=(experiment_id, run_id, "predictions"))


def known_labels(row: wire.Row) -> set[str | None]:
    """The ids of the labels in projects."""
    return {label.id for project in row.projects.values() for label in project.labels}


def repeats(run: wire.ModelRun, known: set[str | None]) -> bool:
    """Whether the labels of a run stand in a project, too."""
    return bool(run.labels) and all(label.id in known for label in run.labels)


class LabelBuilder:
    """Makes the labels of one batch of lines; what cannot be one is rejected.

    Attributes
    ----------
    places : list of lists
        Where each row of the batch has labels.
    """

    def __init__(self, batch: Batch[wire.Row], masks: Masks) -> None:
        self._batch = batch
        self.places = [[*places(row)] for _, row in batch.records]
        labels = [label for found in self.places for place in found for label in place.labels]
        objects = [one for label in labels for one in objects_of(label)]
        self._shapes = ObjectBuilder(objects, batch.run, masks)

    def labels(self, number: int, found: Sequence[Place], asset: Asset) -> Iterator[Label]:
        """All labels of a row, whatever project or run they are of."""
        references = _benchmarks(found)
        for place in found:
            for index, label in enumerate(place.labels):
                spot = (place.spot, index)
                said = label.annotations or _NOTHING
                objects = self._objects(number, spot, said.objects, asset)
                try:
                    others, block = self._others(said, asset)
                except InputError as error:
                    self._batch.reject(number, spot_path(spot), error, "labels")
                else:
                    yield _label(label, place, (*objects, *others), block, references)

    def _others(self, said: wire.Annotations, asset: Asset) -> tuple[list[Annotation], dict[str, Any]]:
        """The annotations that are no objects, and what is left of their block."""
        kept = given(said, ("timestamp",)) if said.extra or said.timestamp is not UNSET else {}
        if said.groups is not None:
            made = self._grouped(said, said.groups, asset, kept)
        elif said.frames is said.segments is said.key_frame_feature_map is None:
            made = [*classifications(said.classifications)]
        else:
            made = self._framed(said, asset, kept)
        if said.relationships:
            made += [relationship(one) for one in said.relationships]
        return made, kept

    def _framed(self, said: wire.Annotations, asset: Asset, kept: dict[str, Any]) -> list[Annotation]:
        """Of a video; or of a recording, whose segments are in milliseconds."""
        base = 0 if asset.media_type == "audio" else 1
        reader = self._reader(said.segments, said.key_frame_feature_map, asset, base=base)
        made = reader.annotations(said.frames or {})
        made += [reader.question(one) for one in said.classifications]
        kept.update(reader.left())
        if said.frames is None:
            kept["frames"] = None
        return made

    def _grouped(
        self, said: wire.Annotations, groups: Mapping[str, wire.Group], asset: Asset, kept: dict[str, Any]
    ) -> list[Annotation]:
        """Of a DICOM volume, with frames for each plane."""
        made: list[Annotation] = list(classifications(said.classifications))
        kept["groups"] = {}
        for name, group in groups.items():
            keyframes = {
                track: planes[name]
                for track, planes in (said.key_frame_feature_map or {}).items()
                if isinstance(planes, dict) and planes.get(name)
            }
            segments = (said.segments or {}).get(name)
            if not isinstance(segments, dict | None):
                where = Where(path="$.annotations.segments")
                raise GeometryError(f"expected segments by track, got {shown(segments)}", where=where)
            reader = self._reader(segments, keyframes, asset, group=name)
            made += reader.annotations(group.frames)
            kept["groups"][name] = {"name": group.name} | (group.extra or {}) | reader.left()
            if group.classifications:
                kept["groups"][name]["classifications"] = plain(group.classifications)
        return made

    def _reader(self, segments: Any, keyframes: Any, asset: Asset, **more: Any) -> FrameReader:
        return FrameReader(self._shapes, asset, self._batch.run, segments, keyframes, **more)

    def _objects(
        self, number: int, spot: Spot, objects: Sequence[wire.Object], asset: Asset
    ) -> list[Annotation]:
        made: list[Annotation] = []
        for index, one in enumerate(objects):
            try:
                made.append(self._shapes.object(one, asset))
            except InputError as error:
                path = spot_path((((spot, "annotations"), "objects"), index))
                self._batch.reject(number, path, error)
        return made


def objects_of(label: wire.Label) -> Sequence[wire.Object]:
    """Every object of a label, whatever medium it is of."""
    said = label.annotations
    if said is None:
        return ()
    if said.frames is None and said.groups is None:
        return said.objects
    framed = [said.frames or {}, *[group.frames for group in (said.groups or {}).values()]]
    return [
        *said.objects,
        *(one for frames in framed for frame in frames.values() for one in frame.objects.values()),
    ]


def _benchmarks(given: Sequence[Place]) -> set[str]:
    """The labels that others of the row were compared with."""
    return {
        effort.benchmark_reference_label
        for place in given
        for label in place.labels
        if (effort := label.performance_details) is not None and effort.benchmark_reference_label
    }


def _label(
    label: wire.Label,
    place: Place,
    annotations: tuple[Annotation, ...],
    block: dict[str, Any],
    references: set[str],
) -> Label:
    """One label; `block` is what is left of its annotations."""
    details, effort = label.label_details or _NO_DETAILS, label.performance_details or _NO_EFFORT
    project, project_id = place.project or _NO_PROJECT, place.project_id
    workflow = project.project_details if isinstance(project.project_details, dict) else {}
    status = workflow.get("workflow_status")
    kept = _kept(label, block)
    if place.run is not None:
        kept["run"] = list(place.run)
    return Label(
        id=label.id,
        annotator_id=details.created_by,
        created_at=details.created_at,
        updated_at=details.updated_at,
        seconds_to_create=effort.seconds_to_create,
        seconds_to_review=effort.seconds_to_review,
        status=status if isinstance(status, str) else None,
        skipped=effort.skipped is True,
        is_benchmark=label.id in references,
        is_selected=label.id is not None and workflow.get("selected_label_id") == label.id,
        consensus_score=effort.consensus_score,
        benchmark_score=effort.benchmark_score,
        project_id=project_id or None,
        project_name=project.name,
        url=_url(project_id, label.id),
        origin="model" if place.run is not None and place.run[2] == "predictions" else "human",
        reviews=reviews_of(details.reviews, "created_by", "created_at") if details.reviews else (),
        annotations=annotations,
        extra={NAME: kept} if kept else {},
    )


def _url(project_id: str | None, label_id: str | None) -> str | None:
    """The label in the platform's editor, as legacy exports spell it."""
    known = project_id and label_id
    return f"https://editor.labelbox.com?project={project_id}&label={label_id}" if known else None


def _kept(label: wire.Label, block: dict[str, Any]) -> dict[str, Any]:
    """What a label has no field for; blocks keep their names."""
    kept = given(label, ("label_kind", "version"))
    details, effort = label.label_details, label.performance_details
    if details and (more := given(details, ("content_last_updated_at", "reviews"))):
        kept["label_details"] = more
    if effort and (more := _kept_of_effort(effort)):
        kept["performance_details"] = more
    if block or label.annotations is None:
        kept["annotations"] = block or None
    return kept


def _kept_of_effort(effort: wire.Performance) -> dict[str, Any]:
    kept = dict(effort.extra or {})
    if effort.benchmark_reference_label:
        kept["benchmark_reference_label"] = effort.benchmark_reference_label
    if effort.skipped is None:
        kept["skipped"] = None
    return kept


def relationship(one: dict[str, Any]) -> Relationship:
    """A link; where its ends stand is not documented, so they are read where they are found, and all is kept."""
    text = {key: value for key, value in one.items() if isinstance(value, str)}
    blocks = [one, *(value for value in one.values() if isinstance(value, dict))]
    ends = next((block for block in blocks if {"source", "target"} <= block.keys()), {})
    source, target = ends.get("source"), ends.get("target")
    return Relationship(
        tool_name=text.get("name", ""),
        source=source if isinstance(source, str) else None,
        target=target if isinstance(target, str) else None,
        directed=ends.get("type") != "bidirectional" and "bidirectional_relationship" not in one,
        id=text.get("feature_id"),
        tool_id=text.get("feature_schema_id"),
        value=text.get("value"),
        extra={NAME: one},
    )
