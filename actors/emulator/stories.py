"""Stories and jokes the embedded service tells; the long ones last over a minute, so that they can be interrupted."""

LONG = (
    (
        "Once upon a time there was a lighthouse at the end of a long stone pier. Every evening the keeper, "
        "whose name was Marta, climbed its one hundred and twelve steps and lit the lamp. She had done so for "
        "thirty years, and she knew every ship by the sound of its horn. One night in autumn a thick fog came "
        "in from the sea, and the lamp went out. Marta tried every match she had, but the wicks were wet, and "
        "the matches too. Far out she heard a horn that she did not know. It was a small ship, and it was "
        "coming closer to the rocks. So Marta did the only thing that she could think of. She opened the "
        "window and began to sing. She sang every song that she had learned from her mother, and when she had "
        "no more songs she sang the names of the harbours, one after the other, from the north to the south. "
        "On the ship the captain stopped the engine and listened. He heard a voice in the fog, first on the "
        "left, and then on the right, and he turned the wheel so that the voice stayed where it was. All "
        "night he sailed in a slow circle around that voice. In the morning the fog lifted, and the captain "
        "saw the rocks, and the lighthouse, and a woman at the window who could hardly whisper any more. He "
        "brought her a box of dry matches, and a jar of honey for her throat. And from then on, whenever his "
        "ship came past, he sounded the horn three times, and Marta answered with a song. That is the end of "
        "the story."
    ),
    (
        "Once there was a clockmaker in a small town in the mountains, and his name was Anton. He built "
        "clocks that showed the hour, the moon and the stars, and people came from far away to buy them. But "
        "there was one clock in his shop that he would not sell. It was made of plain wood, and it had no "
        "hands. When children asked him what it was good for, he told them to wait and to listen. They sat "
        "down on the floor and listened, and heard it tick, very slowly, like somebody walking through snow. "
        "One winter the road to the town was closed, and no letter and no visitor came for many weeks. People "
        "grew tired and quarrelled about small things, about firewood, and about who had seen the first star. "
        "Then Anton carried his wooden clock to the square, and set it on the edge of the well. One after the "
        "other the people came out of their houses to see what he was doing, and he asked them to sit down. "
        "It was cold, and so they sat close together. Nobody spoke, and the clock ticked. After a while an "
        "old woman laughed, because her neighbour had fallen asleep on her shoulder. Somebody brought soup, "
        "and somebody else brought bread, and they stayed until the moon was high. The next morning the road "
        "was open again. A merchant came, and saw the clock, and offered a hundred gold coins. Anton shook "
        "his head. This clock does not tell the time, he said. It gives it back. And that is the end of the "
        "story."
    ),
)

SHORT = (
    (
        "A fox once asked an owl what was the secret of the night. The owl thought for a long time, and "
        "closed her eyes. You have to be quiet, she said. And then she said nothing more. And the fox heard "
        "the whole forest."
    ),
)

JOKES = (
    "Why did the packet cross the network? Because it was routed to the other side.",
    "I would tell you a joke about silence, but it is better when you cannot hear it.",
    "There are ten kinds of people: those who count in binary, and those who do not.",
)
