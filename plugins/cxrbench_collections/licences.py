"""The terms under which collections may be used: they change by release, so the terms that you accepted are what counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxrbench.plugin import LicenceClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """The terms of a collection.

    Attributes:
        kind: whom they allow to see the images.
        terms: for tables made from the images.
    """

    kind: LicenceClass
    terms: str


LICENCES: Mapping[str, Licence] = {
    "nih": Licence(kind="open", terms="NIH ChestX-ray14 (Wang et al., CVPR 2017): name the NIH Clinical Center as the source"),
    "rsna": Licence(
        kind="agreement", terms="RSNA Pneumonia Detection Challenge 2018 (Shih et al., 2019): the challenge's rules"
    ),
    "chexpert": Licence(
        kind="agreement", terms="CheXpert (Irvin et al., AAAI 2019): Stanford's Research Use Agreement, non-commercial"
    ),
    "mimic-cxr-jpg": Licence(
        kind="credentialed", terms="MIMIC-CXR-JPG (Johnson et al., 2019): PhysioNet Credentialed Health Data License"
    ),
    "padchest": Licence(kind="agreement", terms="PadChest (Bustos et al., 2020): BIMCV's terms, no sharing"),
    "vindr-cxr": Licence(
        kind="credentialed",
        terms="VinDr-CXR (Nguyen et al., 2022): PhysioNet, with a data use agreement, for research and education",
    ),
    "covid-radiography": Licence(
        kind="undeclared",
        terms="COVID-19 Radiography Database (Chowdhury et al., 2020): of many sources, each with its own terms",
    ),
    "shenzhen": Licence(
        kind="open", terms="Shenzhen tuberculosis set (Jaeger et al., 2014), U.S. National Library of Medicine"
    ),
    "montgomery": Licence(
        kind="open", terms="Montgomery County tuberculosis set (Jaeger et al., 2014), U.S. National Library of Medicine"
    ),
}
