"""Entry of the dashboard: `streamlit run app.py`."""

import logging

import streamlit as st

from pages.components import FOLDER, style

st.set_page_config(page_title="DeepMasque", page_icon=str(FOLDER / "logo.svg"), layout="wide")
style()
st.logo(FOLDER / "logo.svg", size="large")
page = st.navigation(
    [
        st.Page("pages/home.py", title="Home", default=True),
        st.Page("pages/matte.py", title="Upload & matte", url_path="matte"),
        st.Page("pages/two_photo.py", title="Two photos", url_path="two_photo"),
        st.Page("pages/stages.py", title="Stages", url_path="stages"),
        st.Page("pages/training.py", title="Training", url_path="training"),
        st.Page("pages/compare.py", title="Compare", url_path="compare"),
        st.Page("pages/preferences.py", title="Preferences", url_path="preferences"),
        st.Page("pages/hardware.py", title="Hardware", url_path="hardware"),
    ],
    position="top",
)
try:
    page.run()
except Exception:
    logging.exception("The page %s failed", page.title)
    st.error("Something went wrong on our side; reload the page and try again.")
