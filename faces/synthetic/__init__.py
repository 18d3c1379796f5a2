"""Synthetic faces with ground truth: drawn from CC0 meshes, never from a photograph of a person.

The recipe, in the order in which a picture is made:

    identity, surgery      who: every number that stays the same from picture to picture
    photo                  how it is taken: expression, pose, camera, light, background
    assets, morphs         the head mesh and its targets; their weighted sum is the shape
    hair, skin, features   the paint, a function of where a point lies on the head at rest
    camera, raster         from the head to visible points of the picture
    light, background      from visible points to light
    render                 all of it together: RGB pixels
    labels, dataset        what is true of a picture; the embedded set and the surgery pairs
    export                 a folder in the CelebA layout
"""
