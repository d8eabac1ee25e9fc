"""A sample of prompts written for the demo, for machines without the recorded ones."""

from __future__ import annotations

from typing import Final

PROMPTS: Final = (
    "Why does a telephone exchange need fewer lines than it has subscribers?",
    "Explain to a new colleague what a token bucket is, with one example from daily life.",
    "A train leaves at 8:40 and arrives at 11:05. How long is the journey?",
    "Which of these words does not belong: oak, beech, granite, maple?",
    "Summarise in two sentences what an insurance excess is.",
    "Write a polite reminder for an invoice that is two weeks late.",
    "Translate into French: the shop closes early on Wednesdays.",
    "What is the difference between latency and throughput?",
    "List three reasons why a bridge may be closed for a day.",
    "Turn this into a table: Anna 12 apples, Ben 7 pears, Carla 9 plums.",
    "Is 221 a prime number? Show how you know.",
    "Give a short recipe for lentil soup for four people.",
    "How would you test that a lift stops at every floor?",
    "Describe the water cycle for a ten-year-old.",
    "Sort these by year of invention: telegraph, radio, telephone, printing press.",
    "A shirt costs 40 and is reduced by 15 percent. What is the new price?",
    "What should a good error message contain?",
    "Find the mistake: the sum of the angles of a quadrilateral is 180 degrees.",
    "Draft a note that tells the neighbours about a garden party on Saturday.",
    "Which planets can be seen with the naked eye?",
    "Explain why the sea looks blue although a glass of it does not.",
    "Rewrite more briefly: due to the fact that it was raining we did not go out.",
    "What questions would you ask before buying a used bicycle?",
    "Name the parts of a letter, from top to bottom.",
    "How many seconds are there in a leap year?",
    "Compare renting and buying a house in four bullet points.",
    "What does a lighthouse keeper do on a calm day?",
    "Classify the mood of this sentence: at last the parcel has arrived!",
    "Suggest five names for a small bakery by the harbour.",
    "Explain what a checksum can tell and what it cannot.",
    "A recipe for two needs 150 g of flour. How much for seven?",
    "Put into the past tense: she runs, he swims, they sing.",
    "What is a half-open door a good picture of?",
    "Give the opposite of: scarce, ancient, brittle, humble.",
    "How does a thermostat decide when to switch the heating on?",
    "Write the first verse of a song about a night train.",
    "Which unit would you use for the weight of a ship, a letter, a grain of rice?",
    "Explain the rule that the first matching rule wins, with a cloakroom as the example.",
    "Why is it useful to write down a decision and its reason?",
    "Tell a story in fifty words that begins with a wrong number.",
)
"""Short on purpose: the traffic pads them with further ones to the length that the trace asks for."""
