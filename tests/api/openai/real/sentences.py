"""Fifty sentences, spoken and transcribed again, and how many words differ."""

from __future__ import annotations

import re

# Each with what is heard, if it is not as written.
SENTENCES: dict[str, str] = {
    "The quick brown fox jumps over the lazy dog.": "",
    "Please call me back at half past nine tomorrow morning.": "",
    "The meeting starts at 9:30 a.m. on Monday.": "",
    "She bought three apples, two oranges, and a loaf of bread.": "",
    "In 1969, people walked on the moon for the first time.": "",
    "The water was at -5 degrees.": "The water was at minus 5 degrees.",
    "Dr. Smith lives on Main Street.": "",
    "The train leaves at 14:05 from platform 3.": "",
    "It costs $19.99 plus tax.": "",
    "About 75% of the students passed the exam.": "",
    "The population of the city is 2,450,000.": "",
    "Open the window, please; it is too warm in here.": "",
    "Nobody knew where the old man had hidden the key.": "",
    "The river winds slowly through the green valley.": "",
    "My brother plays the violin and my sister plays the drums.": "",
    "We drove 120 km in two hours.": "We drove 120 kilometers in two hours.",
    "He was born on March 3rd, 1985.": "",
    "The 21st century began in 2001.": "",
    "I read the book yesterday, and you should read it too.": "",
    "They live near a lake and watch live music every week.": "",
    "Scientists discovered a new species of frog in the rainforest.": "",
    "The museum is closed on Tuesdays and Thursdays.": "",
    "Water boils at 100°C.": "Water boils at 100 degrees Celsius.",
    "It weighs 12 kg and measures 40 cm.": "It weighs 12 kilograms and measures 40 centimeters.",
    "Could you tell me the way to the railway station?": "",
    "What a beautiful garden you have!": "",
    "The software was released under an open license.": "",
    "Every morning she drinks a cup of coffee with milk.": "",
    "The president of the company announced record profits.": "",
    "Children learn languages faster than adults.": "",
    "Pi is roughly 3.14.": "",
    "The answer is forty-two.": "The answer is 42.",
    "Please send an email to the support team.": "",
    "A heavy storm is expected along the coast this weekend.": "",
    "The doctor told him to rest for several days.": "",
    "Our flight was delayed because of the fog.": "",
    "The library has more than ten thousand books.": "The library has more than 10,000 books.",
    "Turn left at the second traffic light.": "",
    "He has been working as an engineer since last summer.": "",
    "The soup needs a little more salt and pepper.": "",
    "Half of the cake was gone before the party started.": "",
    "It rained all day, so we stayed at home and played cards.": "",
    "The lawyer asked the witness a simple question.": "",
    "Mount Everest is the highest mountain in the world.": "",
    "You can't judge a book by its cover.": "",
    "The phone rang, but nobody answered.": "",
    "Plants need sunlight, water, and air to grow.": "",
    "This computer is twice as fast as the old one.": "",
    "The concert was wonderful, although the tickets were expensive.": "",
    "Thank you very much for your help.": "",
}


def word_errors(expected: str, heard: str) -> tuple[int, int]:
    """The number of words that differ, by the edit distance, and the number of words."""
    words, found = _words(expected), _words(heard)
    row = list(range(len(found) + 1))
    for number, word in enumerate(words, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(found, 1):
            cost = min(row[place] + 1, row[place - 1] + 1, diagonal + (word != other))
            diagonal, row[place] = row[place], cost
    return row[-1], len(words)


def _words(text: str) -> list[str]:
    """Words and numbers, without case, punctuation and currency signs."""
    spelled = text.lower().replace("'", "").replace("%", " percent ").replace("$", "")
    return re.findall(r"[a-z]+|\d+", spelled)
