"""What the objects of the market look like: strokes on a square of 100 by 100, the origin at its upper left.

A drawing is a list of strokes with `;` between them:

    box x0 y0 x1 y1 r      a rectangle with corners of radius r
    disc x0 y0 x1 y1       the ellipse inside of that rectangle
    poly x y x y ...       a polygon
    line w x y x y ...     a path of width w with round ends
    arc w x0 y0 x1 y1 a b  a part of an ellipse's outline, from angle a to b in degrees, clockwise from three o'clock

A stroke is part of the object's body, which takes the item's colour and pattern, unless it begins with `-` (a dark
detail on top), `+` (a light one) or `!` (cut out of the body). Bodies are stout, so that a pattern shows on each.
"""

SILHOUETTES: dict[str, str] = {
    # kitchen
    "mug": "box 20 22 68 84 8; arc 9 52 34 90 70 270 450; -disc 25 23 63 33",
    "kettle": (
        "poly 24 84 30 40 70 40 76 84; poly 70 52 94 34 96 42 74 72; arc 7 28 10 72 66 180 360; -disc 45 31 55 41"
    ),
    "pan": "disc 6 26 66 86; line 11 62 56 95 56; -arc 4 14 34 58 78 0 360; +disc 90 53 95 59",
    "plate": "disc 8 8 92 92; -arc 4 26 26 74 74 0 360; -arc 2 13 13 87 87 0 360",
    "bowl": "poly 8 40 92 40 86 62 74 78 60 84 40 84 26 78 14 62; box 36 82 64 92 3; -disc 10 34 90 48",
    # lighting
    "desk lamp": "poly 50 10 92 36 70 62 34 26; line 8 44 28 26 52 46 80; box 22 78 70 90 6; +disc 66 44 84 60",
    "floor lamp": "poly 30 8 70 8 86 46 14 46; line 7 50 44 50 86; box 26 84 74 93 4; -line 3 62 46 62 60",
    "lantern": (
        "box 26 28 74 86 6; poly 30 28 50 14 70 28; arc 5 36 2 64 30 180 360; +box 38 42 62 72 8; -line 3 50 44 50 70"
    ),
    "string lights": (
        "line 5 4 24 30 40 50 44 70 40 96 24; disc 4 30 24 58; disc 24 44 46 74; disc 52 44 74 74; "
        "disc 76 30 96 58; disc 38 58 60 90; +disc 45 70 53 78; +disc 10 40 17 47; +disc 83 40 90 47"
    ),
    "candle": (
        "box 30 38 70 90 4; poly 50 6 60 22 56 34 44 34 40 22; -line 3 50 30 50 40; +disc 46 20 54 33; "
        "-disc 32 36 68 44"
    ),
    # bags
    "backpack": (
        "box 20 24 80 90 18; arc 6 36 6 64 40 180 360; box 12 48 24 80 5; box 76 48 88 80 5; "
        "-arc 3 30 54 70 96 180 360; -line 3 26 42 74 42"
    ),
    "tote bag": "poly 16 42 84 42 90 92 10 92; arc 6 32 10 68 74 180 360; -line 3 18 50 82 50",
    "suitcase": (
        "box 10 34 90 84 8; arc 6 36 18 64 52 180 360; -line 4 28 36 28 82; -line 4 72 36 72 82; "
        "-disc 20 82 30 92; -disc 70 82 80 92"
    ),
    "wallet": "box 8 28 92 78 8; -line 3 8 44 70 44; box 68 44 96 62 6; +disc 76 49 84 57",
    "belt bag": "box 20 36 80 78 20; line 8 4 40 26 46; line 8 96 40 74 46; -line 4 30 50 70 50; +disc 66 46 74 54",
    # shoes
    "sneakers": (
        "poly 8 36 30 34 44 50 72 58 92 66 92 80 8 80; -box 6 78 94 86 3; +line 3 36 50 46 44; +line 3 44 55 53 49"
    ),
    "boots": "poly 26 8 60 8 60 56 88 66 92 82 26 82; -box 24 80 94 90 3; -line 3 28 20 58 20; +line 3 50 36 60 36",
    "sandals": "poly 8 62 92 66 94 80 8 80; arc 12 44 40 86 92 190 330; arc 11 8 34 44 90 190 340; -line 4 8 82 92 82",
    "loafers": (
        "poly 8 42 34 40 52 54 80 58 94 70 92 82 8 82; -box 6 80 94 87 2; -line 5 44 52 60 62 52 68; +disc 50 56 57 62"
    ),
    "slippers": "poly 30 44 60 36 86 46 94 66 90 80 30 80; box 6 66 60 80 6; +disc 52 36 74 54; -box 6 79 92 86 3",
    # bedding
    "pillow": "poly 6 22 26 28 74 28 94 22 88 50 94 80 74 74 26 74 6 80 12 50; -arc 2 18 34 82 68 0 360",
    "blanket": (
        "box 12 18 88 78 4; line 4 18 78 18 90; line 4 34 78 34 90; line 4 50 78 50 90; line 4 66 78 66 90; "
        "line 4 82 78 82 90; -line 3 12 70 88 70"
    ),
    "duvet cover": "box 8 26 92 90 8; -line 4 8 44 92 44; +box 16 14 46 34 6; +box 54 14 84 34 6",
    "mattress pad": (
        "poly 26 34 96 34 76 66 4 66; poly 4 66 76 66 76 80 4 80; poly 76 66 96 34 96 48 76 80; "
        "-line 3 6 67 76 67 95 36"
    ),
    "throw": (
        "poly 14 14 70 14 90 34 90 70 66 82 14 70; line 4 16 72 14 92; line 4 30 76 28 94; line 4 44 78 43 96; "
        "line 4 58 82 58 96; -line 3 70 16 72 40 88 36"
    ),
    # stationery
    "notebook": (
        "box 22 10 82 90 5; -line 4 32 12 32 88; -line 4 16 24 30 24; -line 4 16 42 30 42; -line 4 16 60 30 60; "
        "-line 4 16 78 30 78; +box 44 26 72 42 2"
    ),
    "pen": (
        "poly 14 66 66 14 86 34 34 86; poly 14 66 34 86 8 92; -line 3 52 28 72 48; -poly 8 92 16 86 14 84; "
        "+line 4 74 32 62 44"
    ),
    "planner": (
        "box 10 18 90 88 5; -box 10 18 90 34 4; -line 5 28 10 28 26; -line 5 72 10 72 26; +box 20 44 34 56 1; "
        "+box 43 44 57 56 1; +box 66 44 80 56 1; +box 20 66 34 78 1"
    ),
    "pencil case": "box 6 34 94 76 18; -line 3 16 44 84 44; +box 80 40 88 50 2; line 6 30 38 24 14; line 6 50 38 52 12",
    "sketchbook": (
        "poly 6 26 50 34 50 90 6 80; poly 94 26 50 34 50 90 94 80; -line 3 50 34 50 90; +line 3 60 50 84 44; "
        "+line 3 60 62 84 56; +arc 3 14 42 40 68 0 360"
    ),
    # garden
    "planter": (
        "poly 18 52 82 52 72 94 28 94; box 12 44 88 56 2; -line 4 50 44 50 18; -disc 28 12 50 32; "
        "-disc 50 4 74 26; -disc 52 24 76 40"
    ),
    "watering can": (
        "box 30 38 74 86 6; poly 32 58 10 30 4 36 30 78; arc 7 58 30 98 80 270 450; -poly 2 36 12 24 16 30 6 42; "
        "-disc 34 36 70 44"
    ),
    "bird feeder": "poly 50 6 92 38 8 38; box 26 38 74 80 2; box 14 78 86 90 3; -disc 40 48 60 68; -line 4 50 72 50 80",
    "trowel": "poly 50 96 30 62 34 44 66 44 70 62; line 9 50 46 50 32; box 41 4 59 34 8; -line 3 50 52 50 82",
    "garden bench": (
        "box 8 20 92 34 3; box 8 38 92 52 3; box 4 58 96 72 3; line 8 16 70 16 92; line 8 84 70 84 92; "
        "-line 4 26 22 26 58; -line 4 74 22 74 58"
    ),
    # fitness
    "yoga mat": "poly 30 30 94 30 94 72 30 72; disc 10 26 50 76; -arc 3 16 34 44 68 0 360; -arc 3 23 43 37 59 0 360",
    "dumbbell": "box 6 26 30 78 6; box 70 26 94 78 6; box 28 42 72 62 2; -line 4 30 30 30 74; -line 4 70 30 70 74",
    "skipping rope": (
        "arc 9 18 10 82 94 20 160; arc 9 10 24 90 108 180 360; box 4 38 24 78 7; box 76 38 96 78 7; "
        "-line 4 6 50 22 50; -line 4 78 50 94 50"
    ),
    "foam roller": "poly 26 26 78 26 78 74 26 74; disc 8 26 44 74; disc 62 26 96 74; -disc 18 40 34 60",
    "water bottle": (
        "box 30 28 70 94 10; box 38 14 62 30 2; -box 36 6 64 18 4; -line 3 30 42 70 42; +line 4 60 52 60 78"
    ),
    # toys
    "puzzle": "box 12 30 70 88 3; disc 30 12 52 36; disc 62 48 88 72; !disc 2 48 22 70; !disc 32 78 50 98",
    "building blocks": (
        "box 6 54 48 92 3; box 52 54 94 92 3; box 29 14 71 52 3; -arc 3 18 64 36 82 0 360; "
        "+poly 73 64 84 84 62 84; +box 42 26 58 40 1"
    ),
    "kite": (
        "poly 50 4 86 38 50 78 14 38; -line 3 50 4 50 78; -line 3 14 38 86 38; line 4 50 78 58 86 48 92 56 98; "
        "-poly 54 84 64 80 62 90"
    ),
    "plush bear": (
        "disc 22 42 78 96; disc 26 10 74 54; disc 20 4 40 24; disc 60 4 80 24; +disc 40 32 60 48; "
        "-disc 36 24 42 30; -disc 58 24 64 30; -disc 47 34 53 39; disc 8 50 28 74; disc 72 50 92 74"
    ),
    "board game": (
        "poly 50 16 94 46 50 78 6 46; poly 6 46 50 78 50 90 6 58; poly 94 46 50 78 50 90 94 58; "
        "-line 2 28 31 72 62; -line 2 72 31 28 62; +disc 44 34 56 46; -disc 62 44 72 54"
    ),
    # tops
    "shirt": (
        "poly 32 12 44 18 56 18 68 12 94 30 84 50 74 44 74 92 26 92 26 44 16 50 6 30; -line 3 50 20 50 90; "
        "+disc 48 36 52 40; +disc 48 56 52 60"
    ),
    "sweater": (
        "poly 34 14 66 14 86 28 98 78 82 82 74 50 74 84 26 84 26 50 18 82 2 78 14 28; -arc 4 38 4 62 24 0 180; "
        "-line 4 26 80 74 80"
    ),
    "hoodie": (
        "poly 34 22 66 22 86 32 96 78 82 82 74 54 74 92 26 92 26 54 18 82 4 78 14 32; disc 30 4 70 36; "
        "-disc 38 12 62 32; -poly 34 62 66 62 72 80 28 80"
    ),
    "blouse": (
        "poly 36 12 64 12 96 40 82 58 70 44 84 92 16 92 30 44 18 58 4 40; -poly 42 12 58 12 50 30; +disc 46 36 54 44"
    ),
    "vest": (
        "poly 26 10 40 10 50 34 60 10 74 10 76 36 82 90 50 94 18 90 24 36; -line 3 50 34 50 92; +disc 52 48 57 53; "
        "+disc 52 66 57 71"
    ),
    # trousers
    "jeans": (
        "poly 24 6 76 6 84 94 58 94 50 36 42 94 16 94; -line 3 24 14 76 14; -arc 3 16 4 36 28 0 90; "
        "-arc 3 64 4 84 28 90 180"
    ),
    "shorts": (
        "poly 18 22 82 22 94 82 56 82 50 52 44 82 6 82; -line 5 19 26 81 26; +line 3 46 30 44 44; +line 3 54 30 56 44"
    ),
    "leggings": "poly 30 6 70 6 70 60 64 96 52 96 51 34 49 34 48 96 36 96 30 60; -line 5 30 9 70 9",
    "chinos": (
        "poly 22 8 78 8 78 92 56 92 50 36 44 92 22 92; -line 4 22 12 78 12; +box 46 6 54 16 1; "
        "-line 3 58 92 78 92; -line 3 22 92 44 92"
    ),
    "joggers": (
        "poly 20 10 80 10 86 60 74 92 58 92 50 42 42 92 26 92 14 60; -line 6 20 12 80 12; -line 6 27 90 42 90; "
        "-line 6 58 90 73 90; +line 3 46 16 44 32"
    ),
    # jewellery
    "ring": (
        "arc 16 16 28 84 96 0 360; poly 32 14 68 14 78 26 50 48 22 26; +line 2 32 16 50 44 68 16; -line 2 22 26 78 26"
    ),
    "necklace": (
        "arc 11 12 -34 88 62 15 165; poly 50 54 68 70 50 98 32 70; disc 20 38 36 54; disc 64 38 80 54; "
        "+disc 44 66 56 78"
    ),
    "bracelet": "arc 18 6 24 94 82 0 360; disc 38 64 62 92; +disc 45 72 55 82; -arc 2 18 35 82 70 0 360",
    "earrings": (
        "arc 5 16 6 36 28 90 370; arc 5 64 6 84 28 90 370; poly 26 28 44 66 26 94 8 66; "
        "poly 74 28 92 66 74 94 56 66; +disc 20 58 32 72; +disc 68 58 80 72"
    ),
    "watch": "box 34 2 66 98 6; disc 20 20 80 80; +disc 30 30 70 70; -line 4 50 50 50 36; -line 4 50 50 60 56",
    # tools
    "hammer": (
        "box 14 12 76 36 4; poly 74 12 94 24 94 34 74 36; line 14 46 34 46 90; -line 4 40 60 52 60; -line 4 40 72 52 72"
    ),
    "screwdriver set": (
        "box 6 8 26 46 6; box 40 8 60 46 6; box 74 8 94 46 6; line 8 16 46 16 92; line 8 50 46 50 92; "
        "line 8 84 46 84 92; -box 4 56 96 68 3"
    ),
    "drill": (
        "box 14 18 66 48 8; poly 34 46 58 46 66 90 42 90; poly 66 24 80 28 80 38 66 42; -line 5 80 33 96 33; "
        "-line 5 30 50 36 60; -box 38 82 70 92 3"
    ),
    "tape measure": (
        "box 12 20 76 84 14; +disc 28 36 60 68; -disc 38 46 50 58; line 11 74 79 96 79; -line 4 96 74 96 88"
    ),
    "saw": (
        "poly 4 40 66 26 66 66 4 52; box 62 22 96 80 10; !box 72 40 87 64 6; "
        "-line 3 8 56 16 52 20 59 28 55 32 62 40 58 44 64 52 61 58 67"
    ),
    # pets
    "dog bed": "disc 4 34 96 88; -disc 18 44 82 72; +disc 38 50 46 57; +disc 54 50 62 57; +disc 42 57 58 68",
    "cat tower": (
        "box 16 84 84 94 2; line 12 34 20 34 86; box 12 12 58 26 4; box 40 50 90 84 4; -disc 54 58 78 82; "
        "poly 16 14 20 2 28 14; poly 36 14 44 2 48 14"
    ),
    "leash": (
        "arc 12 8 30 76 92 0 360; line 12 72 54 88 20; arc 7 74 4 96 28 0 360; -line 5 70 62 78 44; +disc 36 84 48 96"
    ),
    "feeding bowl": (
        "poly 20 44 80 44 96 86 4 86; -disc 20 36 80 52; +disc 43 64 57 78; +disc 36 56 43 63; +disc 57 56 64 63; "
        "+disc 46 54 53 61"
    ),
    "pet brush": (
        "box 28 6 72 54 14; line 14 50 52 50 92; -line 3 36 18 64 18; -line 3 36 28 64 28; -line 3 36 38 64 38; "
        "+disc 47 82 53 90"
    ),
    # audio
    "headphones": (
        "arc 11 16 10 84 96 180 360; box 6 48 32 88 9; box 68 48 94 88 9; -line 4 30 54 30 82; -line 4 70 54 70 82"
    ),
    "speaker": "box 22 4 78 96 6; -disc 32 46 68 82; +disc 43 57 57 71; -disc 39 16 61 38",
    "radio": (
        "box 6 34 94 86 8; -line 4 24 34 70 8; -disc 16 46 44 74; +box 54 44 86 56 2; -disc 56 64 66 74; "
        "-disc 74 64 84 74"
    ),
    "turntable": "box 4 20 96 84 5; -disc 12 26 64 78; +disc 31 45 45 59; +line 4 84 30 84 54 62 66; +disc 79 26 89 36",
    "microphone": (
        "disc 28 4 72 48; poly 36 46 64 46 58 94 42 94; -line 4 32 44 68 44; -line 2 34 18 66 18; "
        "-line 2 30 30 70 30; +disc 47 58 53 66"
    ),
    # bath
    "towel": "box 22 10 78 90 3; -line 4 10 12 90 12; -line 4 24 76 76 76; -line 2 24 70 76 70",
    "bath mat": (
        "poly 22 34 94 34 78 76 6 76; -line 3 27 40 86 40 74 70 14 70 27 40; +disc 36 46 46 64; +disc 54 46 64 64"
    ),
    "soap dish": (
        "disc 4 50 96 88; box 24 32 76 62 12; -arc 3 4 50 96 88 20 160; +disc 62 14 74 26; +disc 74 24 82 32; "
        "+line 3 34 42 58 42"
    ),
    "shower curtain": (
        "poly 14 16 86 16 92 92 8 92; -line 5 4 12 96 12; -line 2 28 20 24 90; -line 2 42 20 40 90; "
        "-line 2 58 20 60 90; -line 2 72 20 76 90"
    ),
    "robe": (
        "poly 36 8 64 8 92 50 80 58 72 46 80 94 20 94 28 46 20 58 8 50; -poly 42 8 58 8 50 40; "
        "-line 6 26 52 74 52; -line 3 50 40 50 94; -line 4 54 54 58 74"
    ),
    # furniture
    "chair": (
        "box 26 6 70 52 6; poly 22 54 78 54 84 66 18 66; line 7 24 66 22 94; line 7 76 66 78 94; "
        "line 7 38 66 38 86; line 7 62 66 62 86"
    ),
    "side table": (
        "disc 6 22 94 50; line 9 24 42 18 92; line 9 76 42 82 92; line 9 50 48 50 94; -arc 3 8 26 92 54 10 170"
    ),
    "shelf": (
        "box 8 4 92 96 2; -box 22 14 78 30 1; -box 22 42 78 58 1; -box 22 70 78 86 1; "
        "+box 26 18 34 34 0; +box 54 46 62 62 0; +disc 40 74 54 88"
    ),
    "stool": "disc 12 12 88 40; line 9 26 34 18 92; line 9 74 34 82 92; line 9 50 38 50 94; line 6 22 68 78 68",
    "cabinet": (
        "box 12 12 88 86 3; line 7 20 84 20 95; line 7 80 84 80 95; -line 3 50 14 50 84; +disc 42 46 47 54; "
        "+disc 53 46 58 54; -line 3 12 22 88 22"
    ),
    # camping
    "tent": "poly 50 10 96 88 4 88; -poly 50 42 68 88 32 88; -line 3 50 10 44 2; -line 3 50 10 56 2",
    "sleeping bag": "box 26 6 74 96 22; +disc 34 12 66 34; -arc 3 32 10 68 40 0 360; -line 3 62 40 62 90",
    "camp stove": (
        "box 14 48 86 80 5; -line 5 22 48 30 38; -line 5 78 48 70 38; -box 20 34 80 40 2; "
        "+poly 50 8 62 26 50 34 38 26; -disc 42 58 58 74; line 7 20 80 16 92; line 7 80 80 84 92"
    ),
    "hammock": (
        "poly 4 26 20 40 80 40 96 26 84 66 66 82 34 82 16 66; -line 3 4 26 2 8; -line 3 96 26 98 8; -line 2 20 42 80 42"
    ),
    "cool box": "box 10 40 90 88 6; box 6 26 94 44 5; arc 5 26 6 74 54 180 360; -line 4 8 45 92 45; +box 42 40 58 54 2",
    # music
    "guitar": (
        "disc 8 52 56 98; disc 20 36 62 76; line 10 50 50 84 14; -disc 28 56 46 74; -poly 78 8 92 4 96 14 88 22; "
        "-line 2 24 82 84 14"
    ),
    "ukulele": (
        "disc 26 50 74 98; disc 32 34 68 68; box 43 8 57 44 2; -disc 41 54 59 70; -box 38 2 62 14 3; "
        "-line 4 40 84 60 84"
    ),
    "drum pad": "box 8 14 92 90 8; -box 18 24 45 51 3; -box 55 24 82 51 3; -box 18 58 45 82 3; +box 55 58 82 82 3",
    "keyboard": (
        "box 2 30 98 76 4; +box 8 54 92 72 1; -line 5 20 56 20 63; -line 5 32 56 32 63; -line 5 50 56 50 63; "
        "-line 5 62 56 62 63; -line 5 74 56 74 63"
    ),
    "harmonica": (
        "box 4 34 96 70 9; -box 14 46 22 58 1; -box 30 46 38 58 1; -box 46 46 54 58 1; -box 62 46 70 58 1; "
        "-box 78 46 86 58 1"
    ),
    # office
    "monitor stand": (
        "box 4 46 96 62 3; box 8 60 24 84 2; box 76 60 92 84 2; -box 28 12 72 42 3; +box 33 16 67 37 1; "
        "-line 5 50 40 50 47"
    ),
    "desk mat": "poly 18 30 98 30 82 78 2 78; +disc 64 46 78 58; -poly 22 42 56 42 50 62 15 62; -line 2 20 31 4 76",
    "office chair": (
        "box 28 4 72 46 12; box 20 48 80 64 7; line 8 50 62 50 80; line 8 24 90 50 78 76 90; -disc 18 86 28 96; "
        "-disc 45 86 55 96; -disc 72 86 82 96; line 6 16 40 16 56; line 6 84 40 84 56"
    ),
    "cable box": (
        "box 6 36 94 82 8; -box 16 46 84 54 3; arc 5 66 64 96 98 300 420; arc 5 60 6 92 46 100 280; +disc 18 66 26 74"
    ),
    "file tray": (
        "poly 14 20 86 20 96 42 4 42; box 4 40 96 56 3; poly 14 54 86 54 96 74 4 74; box 4 72 96 90 3; "
        "+box 38 44 62 52 1; +box 38 76 62 85 1"
    ),
}
