"""Every task that VACE names, a row each."""

from dataclasses import replace

from vacestream.annotators import parameters as of
from vacestream.annotators.picture_parameters import Part, SalientPart, Subject
from vacestream.annotators.rows import Choice, Row
from vacestream.recipe.base import Model

_VIDEO, _PICTURE, _CLIP = "a video or picture", "a picture", "a video"
_CV, _TORCH = ("opencv-python-headless",), ("transformers", "torch")
_WORDS = ("grounding-dino", "sam2")
_TRACKER = "OpenCV flow and GrabCut (without weights, not SAM2)"


def _control(name: str, summary: str, model: str, place: str, parameters: type[Model]) -> Row:
    recipe = f"controls: {name}"
    return Row(name, "control", summary, model, _VIDEO, place, parameters, packages=_CV, recipe=recipe)


_NEAR = "inverse depth, near is bright"
_DEPTHS = {
    f"depth-anything-v2-{size.lower()}": Choice(
        f"Depth Anything V2 {size}", "depth:depth_anything", (f"depth-anything-v2-{size.lower()}",), _TORCH
    )
    for size in ("Small", "Base", "Large")
}
_DEPTHS["video-depth-anything"] = Choice("Video Depth Anything (not built yet: no library has it)", "")
_VITPOSE = Choice("ViTPose, bodies alone", "vitpose:Bodies", ("vitpose",), _TORCH, ignored=("hands",))
_AUX = ("controlnet-aux", "torch")
_DRAWN = {
    net: Choice(model, place, (net,), _AUX, ignored=("width", "threshold"))
    for net, model, place in (
        ("informative-drawings", "informative drawings, as VACE", "drawings:lines"),
        ("lineart", "lineart", "drawings:lines"),
        ("lineart-coarse", "lineart, coarse", "drawings:lines"),
        ("hed", "HED", "drawings:hed"),
        ("pidinet", "PiDiNet", "drawings:pidinet"),
    )
}
_RAFT = Choice("RAFT, as VACE", "raft:raft", ("raft",), ("torchvision", "torch"), ignored=("preset",))


_CONTROLS = (
    replace(_control("depth", _NEAR, "MiDaS DPT-hybrid, as VACE", "depth:midas", of.Depth),
            weights=("midas",), packages=_AUX, viewed=True, kept=True),
    replace(_control("depthv2", _NEAR, "Depth Anything V2 Small", "depth:depth_anything", of.DepthV2),
            weights=("depth-anything-v2-small",), packages=_TORCH, choices=_DEPTHS, viewed=True, kept=True),
    *(
        replace(_control(name, summary, "DWPose, as VACE", "dwpose:dwpose", of.Pose), weights=("dwpose",),
                packages=("onnxruntime",), fixed={"face": face}, choices={"vitpose": _VITPOSE},
                ignored=("net",), kept=True)
        for name, summary, face in (("pose", "skeletons with faces on black", True),
                                    ("pose_body", "skeletons on black", False))
    ),
    replace(_control("flow", "motion since the frame before: hue is direction, white is still", "OpenCV DIS",
                     "flow:dis", of.Flow), choices={"raft": _RAFT}, ignored=("net",), kept=True),
    replace(_control("scribble", "dark lines on white",
                     "difference of Gaussians (a fallback without weights, not VACE's net)",
                     "scribble:Scribble", of.Scribble), choices=_DRAWN, ignored=("net", "side"), kept=True),
    _control("canny", "white edges on black", "OpenCV Canny", "canny:Canny", of.Canny),
    _control("gray", "luma", "OpenCV luma", "gray:Gray", of.Gray),
    replace(_control("layout_bbox", "outlines of moving boxes on white", "boxes as given",
                     "layout:Layout", of.Layout), packages=(), viewed=True),
    Row("layout_track", "control", "outline of a thing that is followed, black on white", _TRACKER, _VIDEO,
        "outline:LayoutTrack", of.Track, packages=("opencv-python-headless",), viewed=True,
        recipe="controls: {signal: layout_track, track: ...}"),
    replace(_control("plain", "the picture as it is", "the picture itself", "plain:Plain", of.Footage),
            packages=()),
)  # fmt: skip

_ANCHORS = tuple(
    Row(name, "extension", summary, "mid-gray and a mask", inputs, "extension:extension", parameters,
        fixed={} if name.endswith("ref") else {"mode": name}, recipe=recipe)
    for name, summary, inputs, parameters, recipe in (
        ("firstframe", "the picture, then frames to make", _PICTURE, of.Gap, "extend: {firstframe: FILE}"),
        ("lastframe", "frames to make, then the picture", _PICTURE, of.Gap, "extend: {lastframe: FILE}"),
        ("firstlastframe", "frames to make between two pictures", _PICTURE, of.FrameGap,
         "extend: {firstframe: FILE, lastframe: FILE}"),
        ("firstclip", "the clip, then frames to make", _CLIP, of.Gap, "extend: {firstclip: FILE}"),
        ("lastclip", "frames to make, then the clip", _CLIP, of.Gap, "extend: {lastclip: FILE}"),
        ("firstlastclip", "frames to make between two clips", _CLIP, of.ClipGap,
         "extend: {firstclip: FILE, lastclip: FILE}"),
        ("frameref", "firstframe, lastframe or firstlastframe, by mode", _PICTURE, of.Frameref, "extend:"),
        ("clipref", "firstclip, lastclip or firstlastclip, by mode", _CLIP, of.Clipref, "extend:"),
    )
)  # fmt: skip
_KEPT = Row(
    "framerefext", "extension", "a clip of which some frames stay", "mid-gray and a mask", _CLIP,
    "extension:kept_frames", of.Kept, recipe="extend: {keyframes: ...}",
)  # fmt: skip

_MASKS = (
    Row("mask", "mask", "one picture as the mask of every frame", "the picture as given", _VIDEO,
        "masks:StaticMask", of.StaticMask, recipe="mask: FILE"),
    Row("bbox", "mask", "boxes that stay, as the mask of every frame", "boxes as given", _VIDEO,
        "masks:BoxMask", of.BoxMask, viewed=True, recipe="mask: {mode: bbox, bbox: [...]}"),
    *(
        Row(name, "mask", summary, _TRACKER, _VIDEO, "tracking:Followed", parameters, fixed=fixed,
            packages=_CV, viewed=True, recipe=f"mask: {{mode: {name}, ...}}", ignored=("net",),
            choices={"sam2": Choice("SAM2", f"sam2:{maker}", ("sam2",), _TORCH, theirs)})
        for name, summary, parameters, fixed, maker, theirs in (
            ("masktrack", "a mask that is followed", of.MaskTrack, {}, "from_mask", {"kind": "region"}),
            ("bboxtrack", "what is in a box, followed", of.BoxTrack, {}, "from_boxes", {}),
            ("maskbboxtrack", "what is in a scribble's box, followed", of.MaskTrack, {"boxed": True},
             "from_mask", {"kind": "box"}),
        )
    ),
    *(
        Row(name, "mask", summary, model, _VIDEO, place, parameters, fixed=fixed, weights=weights,
            packages=packages, viewed=name != "salient", recipe=f"mask: {{mode: {name}, ...}}")
        for name, summary, model, place, parameters, fixed, weights, packages in (
            ("salient", "what stands out in the first frame", "U2Net", "salient:Salient", of.Salient, {},
             ("u2net",), _CV),
            ("maskpointtrack", "what scribbled points touch, followed", "SAM2", "sam2:from_mask",
             of.MaskPointTrack, {"kind": "points"}, ("sam2",), _TORCH),
            ("pointtrack", "what points touch, followed", "SAM2", "sam2:from_points", of.PointTrack, {},
             ("sam2",), _TORCH),
            ("salientmasktrack", "what stands out, followed", "U2Net and SAM2", "salient:salient_tracked",
             of.SalientTrack, {"kind": "region"}, ("u2net", "sam2"), (*_CV, *_TORCH)),
            ("salientbboxtrack", "what stands out, followed by its box", "U2Net and SAM2",
             "salient:salient_tracked", of.SalientTrack, {"kind": "box"}, ("u2net", "sam2"), (*_CV, *_TORCH)),
            ("label", "what a word names, followed", "Grounding DINO and SAM2", "words:named", of.Label, {},
             _WORDS, _TORCH),
            ("caption", "what a phrase names, followed", "Grounding DINO and SAM2", "words:named", of.Caption,
             {}, _WORDS, _TORCH),
        )
    ),
)  # fmt: skip

_OUTPAINTING = (
    Row("outpainting", "outpainting", "the picture on a larger mid-gray canvas, and its mask",
        "mid-gray and a mask", _VIDEO, "outpainting:outpainting", of.Border,
        recipe="outpaint: {left: 0.25, right: 0.25}"),
    Row("outpainting_inner", "outpainting", "the picture without its border, and its mask",
        "mid-gray and a mask", _VIDEO, "outpainting:outpainting", of.Border, fixed={"inner": True},
        recipe="outpaint: {left: 0.25, right: 0.25, inner: true}"),
)  # fmt: skip

_CUT = {
    row.name: Choice(way.model, "subject:cut_out", way.weights, way.packages)
    for row in _MASKS
    for way in (row.choices.get("sam2", row),)
}
_CUT["face"] = Choice("YuNet", "subject:cut_out", ("yunet",), _CV)
_CUT["grabcut"] = Choice("GrabCut (without weights, not SAM2)", "subject:cut_out", packages=_CV)
_REFERENCES = (
    Row("image_reference", "reference", "the picture, or a part of it cut out on white",
        "the picture as given", _PICTURE, "subject:cut_out", Subject, choices=_CUT, chooser="maker",
        recipe="references: {image: FILE, mode: ...}"),
    Row("image_face", "reference", "the face, cut out with what is behind it", "YuNet", _PICTURE,
        "subject:cut_out", Part, fixed={"mode": "face"}, weights=("yunet",), packages=_CV,
        recipe="references: {image: FILE, mode: face}"),
    Row("image_salient", "reference", "what stands out, cut out on white", "U2Net", _PICTURE,
        "subject:cut_out", SalientPart, fixed={"mode": "salient"}, weights=("u2net",), packages=_CV,
        recipe="references: {image: FILE, mode: salient}"),
)  # fmt: skip

_COMPOSITIONS = tuple(
    Row(name, "composition", summary, "what its parts name", inputs, recipe=recipe, composed=True)
    for name, summary, inputs, recipe in (
        ("reference_anything", "subjects in one video", "up to three pictures", "references"),
        ("animate_anything", "a subject moved as in a video", "a picture and a video",
         "references, controls: pose"),
        ("swap_anything", "a thing replaced by a subject", "a picture and a video", "references, mask"),
        ("expand_anything", "a picture widened, with subjects", "a picture, and others of subjects",
         "references, outpaint, extend: firstframe"),
        ("move_anything", "a thing of a picture moved", "a picture and boxes",
         "extend: firstframe, controls: layout_bbox"),
        ("composition", "any of these together", "those of its parts", "their keys in one recipe"),
    )
)  # fmt: skip

TASKS: dict[str, Row] = {
    row.name: row
    for row in (*_CONTROLS, *_ANCHORS, _KEPT, *_MASKS, *_OUTPAINTING, *_REFERENCES, *_COMPOSITIONS)
}
"""By VACE's name."""
