"""The datasets of cxrbench: folder tree, CSV manifest, PneumoniaMNIST, a sample of real images and drawn phantoms."""

from cxrbench.plugin import Dataset, hookimpl

FOLDER = Dataset(
    name="folder",
    factory="cxrbench_datasets.folder:load_folder",
    summary="a folder tree with one folder per class, such as Kaggle's chest_xray; options name the classes",
    claims="cxrbench_datasets.folder:claims_folder",
    may_claim="cxrbench_datasets.folder:may_claim_folder",
    layout="a folder with NORMAL/ and PNEUMONIA/, 0/ and 1/, or classes that you name, directly or in train/, val/ and test/",
)
MANIFEST = Dataset(
    name="manifest",
    factory="cxrbench_datasets.manifest:load_manifest",
    summary="a CSV file of images, labels and patients; options name its columns and classes",
    claims="cxrbench_datasets.manifest:claims_manifest",
    layout="a .csv file, or a .tsv file with tabs, with the header path,label[,patient,split,view,age,sex,site,source]",
)
MEDMNIST = Dataset(
    name="medmnist",
    factory="cxrbench_datasets.medmnist:load_medmnist",
    summary="PneumoniaMNIST at 28, 64, 128 or 224 pixels; downloaded unless you give a file",
    claims="cxrbench_datasets.medmnist:claims_medmnist",
    download="cxrbench_datasets.medmnist:download_medmnist",
    layout="an .npz file with the arrays train_images, train_labels, val_images, val_labels, test_images and test_labels",
)
SAMPLE = Dataset(
    name="sample",
    factory="cxrbench_datasets.sample:load_sample",
    summary="1,000 real chest X-rays of children, to try the tool: no download (Kermany et al., CC BY 4.0)",
    notice="A SAMPLE for trying the tool: 1,000 images of children of one hospital (Kermany et al., Cell 2018, CC BY 4.0)",
)
PHANTOM = Dataset(
    name="phantom",
    factory="cxrbench_datasets.phantom:load",
    summary="drawn chest phantoms to try the tool: no download, no clinical meaning",
    notice="SYNTHETIC images (drawn chest phantoms): for trying the tool, without clinical meaning",
)


@hookimpl
def register_datasets() -> tuple[Dataset, ...]:
    """Declare the five first-party datasets."""
    return FOLDER, MANIFEST, MEDMNIST, SAMPLE, PHANTOM
