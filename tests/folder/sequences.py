"""Sequences of actions that once ended wrong, each shortened to what it takes; for `tests.folder.world`."""

from __future__ import annotations

Actions = list[tuple[str, int]]
"""Actions of `World`, each with the number that chooses among what there is."""

KNOWN: dict[str, Actions] = {
    # captions, as editors save them
    "a word is added to a caption with a byte-order mark": [("edit_caption", 1), ("run", 0), ("add_word", 1)],
    "a word is added to a caption with CRLF": [("edit_caption", 7), ("run", 0), ("add_word", 1)],
    "a word is added to a CRLF caption that moves": [
        ("edit_caption", 7),
        ("change_pipeline", 0),
        ("run", 0),
        ("add_word", 1),
        ("change_pipeline", 2),
    ],
    "a bulk tag goes to captions with CRLF and a mark": [
        ("edit_caption", 1),
        ("edit_caption", 12),
        ("run", 0),
        ("add_tag", 1),
        ("add_word", 1),
    ],
    "an edit that is empty on purpose": [("edit_caption", 4), ("run", 0), ("change_pipeline", 0), ("run", 0)],
    "an empty edit whose source is retouched": [("edit_caption", 4), ("retouch_source", 0), ("run", 0)],
    "an empty edit whose source moves to another concept and back around a kill": [
        ("edit_caption", 5474),
        ("move_source", 7627),
        ("run_killed", 3614),
        ("move_source", 7105),
    ],
    # sources that go and come
    "an edited caption whose source is removed": [("edit_caption", 10), ("remove_source", 0)],
    "an edited caption whose source is removed and comes back": [
        ("edit_caption", 10),
        ("remove_source", 0),
        ("run", 0),
        ("bring_back", 0),
    ],
    "an edited caption whose source is removed from a renamed folder": [
        ("edit_caption", 10),
        ("rename_folder", 1),
        ("remove_source", 0),
    ],
    "an empty edit whose source is removed and comes back": [
        ("edit_caption", 4),
        ("remove_source", 0),
        ("run", 0),
        ("bring_back", 0),
    ],
    "an edit follows a source that was retouched twice around a kill": [
        ("retouch_and_rename_source", 958),
        ("rename_source", 7377),
        ("rename_source", 7485),
        ("run_killed", 4275),
        ("edit_caption", 6867),
        ("retouch_source", 2614),
    ],
    # folders that a person renames
    "a folder is renamed to other words": [("rename_folder", 0)],
    "a folder is renamed to other repeats": [("rename_folder", 15), ("run", 0), ("change_pipeline", 1)],
    "a renamed folder with a removed source": [("rename_folder", 8), ("remove_source", 2)],
    "a folder is renamed before and after a kill": [("rename_folder", 0), ("run_killed", 4), ("rename_folder", 8)],
    "a folder with an edit is renamed around a kill": [
        ("edit_caption", 10),
        ("rename_folder", 1),
        ("run_killed", 6),
        ("rename_folder", 9),
    ],
    "a repainted picture's caption in folders renamed around a kill": [
        ("rename_folder", 134),
        ("rename_folder", 6017),
        ("change_picture", 5467),
        ("run_killed", 8837),
        ("rename_folder", 9603),
    ],
    "a repainted picture's caption in a renamed folder, with another trigger after the kill": [
        ("rename_folder", 8320),
        ("change_picture", 3616),
        ("change_pipeline", 6230),
        ("run_killed", 3557),
        ("change_pipeline", 7532),
    ],
    "a repainted picture that leaves its folder empty": [
        ("add_source", 4559),
        ("run", 1465),
        ("change_picture", 1876),
        ("rename_folder", 2436),
        ("change_pipeline", 823),
        ("run_killed", 8301),
    ],
    "a repainted picture of the old size in a renamed folder": [
        ("retouch_source", 220),
        ("remove_source", 931),
        ("edit_caption", 9119),
        ("edit_caption", 1809),
        ("change_picture", 1839),
        ("retouch_and_rename_source", 351),
        ("run_killed", 5686),
        ("retouch_and_rename_source", 9679),
        ("change_pipeline", 3462),
        ("edit_caption", 8086),
        ("add_source", 3216),
        ("edit_caption", 5572),
        ("change_picture", 6087),
        ("add_stray", 1045),
        ("change_picture", 8274),
        ("rename_folder", 774),
    ],
    "a caption of another suffix, a kill and renames": [
        ("rename_source", 5078),
        ("change_pipeline", 785),
        ("run_killed", 5712),
        ("rename_folder", 9706),
        ("rename_folder", 3662),
        ("rename_picture", 8177),
    ],
    "bulk tags, two kills and a renamed picture": [
        ("add_tag", 2558),
        ("add_source", 3073),
        ("move_source", 8136),
        ("rename_source", 1385),
        ("rename_folder", 9942),
        ("run_killed", 4097),
        ("rename_folder", 9318),
        ("change_pipeline", 6314),
        ("add_word", 5733),
        ("run_killed", 9741),
        ("rename_picture", 9965),
    ],
    # what is the person's
    "a person's own copies of captions": [
        ("add_source", 8815),
        ("run", 4099),
        ("back_up", 9764),
        ("remove_caption", 2596),
        ("rename_folder", 8751),
        ("remove_picture", 6718),
    ],
    "a removed picture stays removed where its folder is renamed": [
        ("remove_picture", 1),
        ("rename_folder", 1),
        ("run", 0),
        ("change_pipeline", 0),
    ],
    "a removed picture stays removed around a kill": [
        ("remove_picture", 1),
        ("change_pipeline", 0),
        ("run_killed", 5),
        ("run", 0),
    ],
}
