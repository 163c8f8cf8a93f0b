"""What several commands share: flags, settings, the choice of a model, images from flags."""
