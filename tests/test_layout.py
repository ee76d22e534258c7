from realtime.drawing.layout import attached, corners, free, inside, least, nearby, overlap, touches

PICTURE = (640, 480)


def test_overlap_counts_shared_pixels():
    assert overlap((0, 0, 10, 10), (5, 5, 10, 10)) == 25
    assert overlap((0, 0, 10, 10), (10, 0, 10, 10)) == 0
    assert overlap((0, 0, 100, 100), (20, 30, 5, 5)) == 25


def test_a_card_goes_above_then_below_then_to_the_sides():
    card = (100, 50)

    def place(box, *taken):
        return free(attached(box, card, 4, PICTURE), PICTURE, [box, *taken])

    assert place((200, 200, 150, 150)) == (200, 146, 100, 50)
    assert place((200, 10, 150, 150)) == (200, 164, 100, 50)
    assert place((200, 10, 150, 460)) == (354, 10, 100, 50)
    assert place((500, 10, 138, 460)) == (396, 10, 100, 50)
    # At the picture's edge it is moved in, and touches its box still.
    assert place((580, 200, 60, 60)) == (540, 146, 100, 50)
    assert place((200, 200, 150, 150), (190, 100, 200, 60)) == (200, 354, 100, 50)
    assert place((0, 0, 640, 480)) is None


def test_every_place_touches_its_box():
    for box in ((300, 200, 40, 40), (-30, 100, 60, 60), (610, 100, 60, 60)):
        for place in attached(box, (120, 20), 3, PICTURE):
            assert touches(place, (box[0] - 6, box[1] - 6, box[2] + 12, box[3] + 12)) and not overlap(place, box)


def test_where_all_places_are_taken_the_nearest_row_is_found_and_at_last_what_covers_least():
    box, card = (0, 0, 300, 480), (400, 40)
    assert free(attached(box, card, 4, PICTURE), PICTURE, [box]) is None
    assert free(nearby(box, card, PICTURE), PICTURE, [box]) is None
    narrow = (300, 40)
    found = free(nearby(box, narrow, PICTURE), PICTURE, [box])
    assert found is not None and inside(found, PICTURE) and not overlap(found, box)
    left = least(corners(card, PICTURE, "tl br"), PICTURE, [box])
    assert left == (240, 440, 400, 40)
    assert least([(-50, -20, 100, 50)], PICTURE, []) == (0, 0, 100, 50)


def test_beside_leaves_what_is_above_a_face_free():
    box, card = (200, 150, 100, 100), (90, 60)
    assert attached(box, card, 4, PICTURE)[0] == (200, 86, 90, 60)
    assert attached(box, card, 4, PICTURE, beside=True)[:2] == [(304, 150, 90, 60), (106, 150, 90, 60)]
