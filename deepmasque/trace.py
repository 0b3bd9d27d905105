"""Every stage of a matte as pictures and times in TensorBoard's log files."""

from pathlib import Path

from deepmasque.matte import Matte


def log_stages(matte: Matte, folder: Path, name: str) -> None:
    """Append a run to the logs in `folder`, shown by `tensorboard --logdir FOLDER`.

    name: of the run; each stage is a picture, its seconds a scalar and its notes a text.
    Raises OSError if the folder cannot be written.
    """
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / name)) as writer:
        for step, stage in enumerate(matte.stages):
            writer.add_image(stage.name, stage.picture, step, dataformats="HWC")
            writer.add_scalar("seconds", stage.seconds, step)
            writer.add_text(stage.name, "\n\n".join(stage.notes), step)
