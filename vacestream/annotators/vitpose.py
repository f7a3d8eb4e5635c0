"""People and where their joints are: ViTPose (arXiv 2204.12484) in the boxes of RT-DETR (arXiv 2304.08069).

It knows the 17 joints of COCO, the first of those that DWPose knows: bodies, no faces and no fingers.
"""

import numpy as np
import torch

from vacestream.annotators.nets import load_pretrained
from vacestream.annotators.skeleton import Person, draw

PERSON, SURE = 0, 0.3
"""What RT-DETR calls a person; people less likely than this are none."""
KNOWN, JOINTS = 133, 17
"""Points of a person, and those that are looked for."""


class Bodies:
    """Skeletons on black, of each frame by itself."""

    lead = 1

    def __init__(self, *, device: str, net: str = "vitpose") -> None:
        from transformers import (
            RTDetrForObjectDetection,
            RTDetrImageProcessor,
            VitPoseForPoseEstimation,
            VitPoseImageProcessor,
        )

        self._find = load_pretrained(net, RTDetrForObjectDetection, device, part="persons")
        self._see = load_pretrained(net, VitPoseForPoseEstimation, device, part="keypoints")
        self._finder, self._seer = RTDetrImageProcessor(), VitPoseImageProcessor()

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        drawn = np.zeros(frames.shape, np.uint8)
        for frame, picture in zip(frames, drawn, strict=True):
            people = self._people(np.array(frame))
            picture[:] = draw(people, picture.shape[:2], face=False, hands=False)
        return drawn

    @torch.inference_mode()
    def _people(self, frame: np.ndarray) -> list[Person]:
        given = self._finder(images=frame, return_tensors="pt").to(self._find.device)
        found = self._finder.post_process_object_detection(
            self._find(**given), threshold=SURE, target_sizes=[frame.shape[:2]]
        )[0]
        corners = found["boxes"][found["labels"] == PERSON].cpu().numpy()
        if not len(corners):
            return []
        boxes = [np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=-1)]
        parts = self._seer(images=frame, boxes=boxes, return_tensors="pt").to(self._see.device)
        seen = self._seer.post_process_pose_estimation(self._see(**parts), boxes=boxes)[0]
        return [_person(one["keypoints"].numpy(), one["scores"].numpy()) for one in seen]


def _person(places: np.ndarray, sure: np.ndarray) -> Person:
    """Joints [17 2] and how sure each is [17], and points that are not looked for."""
    missing = KNOWN - JOINTS
    return Person(np.pad(places, ((0, missing), (0, 0))), np.pad(sure.reshape(JOINTS), (0, missing)))
