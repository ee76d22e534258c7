import cv2


def draw_text(picture, text, x, baseline, size, colour, weight=400):
    cv2.putText(picture, text, (x, baseline), colour, cv2.FontFace("sans"), size, weight)


def text_width(text, size, weight=400):
    return cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), size, weight)[2]
