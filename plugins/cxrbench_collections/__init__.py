"""Public collections of chest X-rays, read from the folders and tables in which they are published."""

from cxrbench.plugin import Dataset, hookimpl
from cxrbench_collections.licences import LICENCES

requires_api = ">=1.4,<2"


def _dataset(name: str, module: str, function: str, summary: str, layout: str) -> Dataset:
    where = f"cxrbench_collections.{module}"
    return Dataset(
        name=name,
        factory=f"{where}:load_{function}",
        claims=f"{where}:claims_{function}",
        summary=summary,
        layout=layout,
        notice=LICENCES[name].terms,
    )


NIH = _dataset(
    *("nih", "nih", "nih", "ChestX-ray14 of the NIH: 112,120 images, 14 findings mined from reports"),
    "a folder with Data_Entry_2017_v2020.csv or Data_Entry_2017.csv",
)
RSNA = _dataset(
    *("rsna", "rsna", "rsna", "RSNA's pneumonia challenge: 26,684 images; needs RSNA's mapping file for true patients"),
    "a folder with stage_2_train_labels.csv",
)
CHEXPERT = _dataset(
    *("chexpert", "chexpert", "chexpert", "CheXpert: 223,648 images, 13 findings with uncertain labels"),
    "a folder with CheXpert's train.csv or valid.csv",
)
MIMIC = _dataset(
    *("mimic-cxr-jpg", "mimic", "mimic", "MIMIC-CXR-JPG: 377,110 images, 13 findings with uncertain labels"),
    "a folder with mimic-cxr-2.0.0-chexpert.csv.gz",
)
PADCHEST = _dataset(
    *("padchest", "padchest", "padchest", "PadChest: 160,861 images, findings from reports, a quarter read by physicians"),
    "a folder with PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
)
VINDR = _dataset(
    *("vindr-cxr", "vindr", "vindr", "VinDr-CXR from PhysioNet: 18,000 PA images, 27 findings, three readers each"),
    "a folder with annotations/image_labels_train.csv",
)
COVID = _dataset(
    *("covid-radiography", "covid_radiography", "covid", "COVID-19 Radiography Database, masks left out; COVID against Normal"),
    "a folder with COVID/ and Lung_Opacity/, Normal/ or Viral Pneumonia/",
)
SHENZHEN = _dataset(
    *("shenzhen", "tuberculosis", "shenzhen", "Shenzhen set: 662 images, tuberculosis (not pneumonia) against normal"),
    "a folder with CXR_png/CHNCXR_0001_0.png",
)
MONTGOMERY = _dataset(
    *("montgomery", "tuberculosis", "montgomery", "Montgomery set: 138 images, tuberculosis (not pneumonia) against normal"),
    "a folder with CXR_png/MCUCXR_0001_0.png",
)


@hookimpl
def register_datasets() -> tuple[Dataset, ...]:
    """Declare the nine collections."""
    return NIH, RSNA, CHEXPERT, MIMIC, PADCHEST, VINDR, COVID, SHENZHEN, MONTGOMERY
