"""Home: what DeepMasque is, three samples, about."""

import streamlit as st

import deepmasque
from deepmasque import samples
from pages.components import before_after
from pages.components.intake import LOADING, device, hand_over
from pages.components.markup import working
from pages.components.pictures import viewer_pictures
from pages.components.shelf import backgrounds, sample_gallery


@st.cache_resource(show_spinner=False)
def shown_matte() -> deepmasque.Matte:
    """Matte the portrait of the hero once; it warms the models up on the way."""
    return deepmasque.matte(samples.portraits()[0].path)


def hero() -> None:
    """Say what it is beside a slider that shows it."""
    words, stage = st.columns([4, 6], gap="large", vertical_alignment="center")
    with words:
        st.html(
            '<div class="dm-hero"><h1>Cut out a person, <em>hair by hair.</em></h1>'
            "<p>Drop in a portrait. DeepMasque finds the face, the person and every strand between "
            "the two, and shows each step.</p></div>"
        )
        if st.button("Upload a photo", type="primary", key="start"):
            st.switch_page("pages/matte.py")
    with stage.container(key="hero-stage"), st.empty():
        show_portrait()


def show_portrait() -> None:
    """Put the first sample on the stage, then its cut-out as soon as there is one."""
    st.html(working(deepmasque.read_image(samples.portraits()[0].path), LOADING))
    try:
        device()
        pictures = viewer_pictures("hero", shown_matte())
    except deepmasque.DeepMasqueError as error:
        st.error(str(error))
        return
    amber = next(each for each in backgrounds() if each["id"] == "amber")
    before_after(pictures, [amber], chosen=amber, key="hero")


def about() -> None:
    """Name the method, the data and the terms."""
    st.html(
        '<section class="dm-about"><h2>About</h2><div>'
        "<p>49 facial points align a reference portrait with the photo; PortraitFCN+ marks the "
        "person and its hair; KNN matting solves the band in between, a residual network corrects "
        "it; the subject’s own colours are recovered so that no halo is left. Everything runs on "
        "this machine; no photo leaves it.</p>"
        "<p><b>Academic use only.</b> The networks were trained on the EG1800 portrait data set "
        "(Shen et al., <i>Automatic Portrait Segmentation for Image Stylization</i>, Eurographics "
        "2016) and on photos of alphamatting.com, which may be used for research and teaching, not "
        "commercially.</p>"
        "<p>Sample portraits: "
        + "; ".join(f"{sample.title}: {sample.credit}" for sample in samples.portraits())
        + ".</p></div></section>"
    )


lead = st.container(key="hero-row")
st.html('<h2 class="dm-title">Or start with a sample</h2>')
job = sample_gallery("home-samples", height="min(34vw, 460px)")
about()
if job:
    hand_over("matte", job)
    st.switch_page("pages/matte.py")
with lead:
    hero()
