"""Hardware: columns, whole portraits and sounds through a LaunchPad with 4 KB of RAM."""

import streamlit as st

from pages.components import steps
from pages.launchpad.board import head
from pages.launchpad.photo import PAGE, column_view, cut, portrait_view
from pages.launchpad.setup import board_view, memory_view
from pages.launchpad.sound import sound_view

WITH_PHOTO = {"Column": column_view, "Whole portrait": portrait_view}
ALWAYS = {"Sound": sound_view, "Memory": memory_view, "Your board": board_view}
VIEWS = (*WITH_PHOTO, *ALWAYS)

if PAGE.job:
    PAGE.work_on(cut)
else:
    port, message = head()
    if error := PAGE.pop_error():
        message.error(error)
    view = VIEWS[steps(VIEWS, [""] * len(VIEWS), key="hardware-steps")]
    with st.container(key="hardware"):
        if view in ALWAYS:
            ALWAYS[view](port, message)
        elif PAGE.result:
            WITH_PHOTO[view](port, message)
        else:
            PAGE.intake(height="clamp(280px, 50vh, 480px)")
