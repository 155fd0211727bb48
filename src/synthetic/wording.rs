//! Names of e-mails, links and people. Nobody in here exists; every domain is reserved for examples.

/// First names.
pub const FIRST_NAMES: &[&str] = &[
    "Aisha",
    "Alejandro",
    "Amelia",
    "Andre",
    "Anna",
    "Benjamin",
    "Bianca",
    "Caleb",
    "Carmen",
    "Chen",
    "Chloe",
    "Daniel",
    "Deepa",
    "Diego",
    "Elena",
    "Elijah",
    "Emma",
    "Ethan",
    "Fatima",
    "Felix",
    "Gabriel",
    "Grace",
    "Hannah",
    "Hiro",
    "Imani",
    "Isaac",
    "Jamal",
    "Jasmine",
    "Jonas",
    "Julia",
    "Kai",
    "Katherine",
    "Kofi",
    "Laura",
    "Leah",
    "Liam",
    "Lucia",
    "Magnus",
    "Marcus",
    "Maria",
    "Mei",
    "Miguel",
    "Naomi",
    "Noah",
    "Nora",
    "Olivia",
    "Omar",
    "Oscar",
    "Priya",
    "Rachel",
    "Ravi",
    "Rosa",
    "Samuel",
    "Sofia",
    "Tariq",
    "Thomas",
    "Uma",
    "Victor",
    "Wei",
    "Yara",
    "Zoe",
];

/// Last names.
pub const LAST_NAMES: &[&str] = &[
    "Abbott",
    "Adeyemi",
    "Anderson",
    "Baker",
    "Barnes",
    "Begay",
    "Bennett",
    "Brooks",
    "Campbell",
    "Castillo",
    "Chavez",
    "Cohen",
    "Collins",
    "Cruz",
    "Diaz",
    "Edwards",
    "Ellis",
    "Fischer",
    "Fleming",
    "Foster",
    "Garcia",
    "Gonzales",
    "Graham",
    "Gupta",
    "Hansen",
    "Harris",
    "Hayes",
    "Hernandez",
    "Howard",
    "Ito",
    "Jackson",
    "Johnson",
    "Kelly",
    "Khan",
    "Kim",
    "Larsen",
    "Lee",
    "Lopez",
    "Martin",
    "Martinez",
    "Mbeki",
    "Miller",
    "Moore",
    "Morales",
    "Murphy",
    "Nakamura",
    "Nguyen",
    "Novak",
    "OBrien",
    "Okafor",
    "Olson",
    "Ortiz",
    "Park",
    "Patel",
    "Perez",
    "Peterson",
    "Quinn",
    "Ramirez",
    "Reed",
    "Rivera",
    "Romero",
    "Sanchez",
    "Schmidt",
    "Shah",
    "Silva",
    "Singh",
    "Smith",
    "Sullivan",
    "Tanaka",
    "Thompson",
    "Torres",
    "Tran",
    "Vargas",
    "Vasquez",
    "Walker",
    "Wang",
    "Weber",
    "White",
    "Wilson",
    "Wong",
    "Wright",
    "Yazzie",
    "Young",
    "Zhang",
];

/// Domains of addresses.
pub const DOMAINS: &[&str] = &["example.edu", "example.edu", "example.com", "example.com", "example.org"];

/// A business unit: name, MID, sender's name and address.
pub struct Unit {
    pub name: &'static str,
    pub mid: &'static str,
    pub from_name: &'static str,
    pub from_address: &'static str,
}

/// The business units; the first is the parent.
pub const UNITS: &[Unit] = &[
    Unit { name: "CU System", mid: "7001001", from_name: "CU Connections", from_address: "connections@example.edu" },
    Unit { name: "Boulder & Athletics", mid: "7001002", from_name: "Buffs Athletics", from_address: "athletics@example.edu" },
    Unit { name: "Employee Services", mid: "7001003", from_name: "Employee Services", from_address: "benefits@example.edu" },
    Unit { name: "Advancement", mid: "7001004", from_name: "CU Advancement", from_address: "giving@example.org" },
    Unit {
        name: "Denver – Student Affairs", mid: "7001005", from_name: "Student Affairs", from_address: "students@example.edu"
    },
];

/// A kind of e-mail: who sends it (place in [`UNITS`]), its e-mail name and subject, and the links in it.
///
/// `{month}`, `{year}`, `{day}` and `{n}` (a running number) are replaced.
pub struct Mailing {
    pub unit: usize,
    pub name: &'static str,
    pub subject: &'static str,
    pub links: &'static [Target],
}

/// A link: its name and address.
pub type Target = (&'static str, &'static str);

const HOME: Target = ("Home", "https://www.example.edu/");
const PREFERENCES: Target = ("Preferences", "https://www.example.edu/email/preferences");
const PRICING: Target = ("Pricing", "https://www.example.edu/benefits/pricing");
const CALENDAR: Target = ("Calendar", "https://www.example.edu/calendar?view=month&from=email");

const NEWS: &[Target] = &[
    ("Read more: research", "https://connections.example.edu/stories/research"),
    ("Read more: five questions", "https://connections.example.edu/stories/five-questions"),
    ("Read more: regents", "https://connections.example.edu/stories/regents"),
    ("Letters & opinion", "https://connections.example.edu/letters?utm_source=email&utm_medium=newsletter"),
    CALENDAR,
    HOME,
    PREFERENCES,
];
const SPORT: &[Target] = &[
    ("Football preview", "https://athletics.example.edu/football/preview"),
    ("Volleyball sweep", "https://athletics.example.edu/volleyball/sweep"),
    ("Ski team", "https://athletics.example.edu/skiing/season"),
    ("Women's soccer", "https://athletics.example.edu/soccer/women"),
    ("Tickets", "https://athletics.example.edu/tickets?src=email"),
    ("Pricing", "https://athletics.example.edu/tickets/pricing"),
    PREFERENCES,
];
const BENEFITS: &[Target] = &[
    ("Enroll now", "https://benefits.example.edu/enroll"),
    ("Compare plans", "https://benefits.example.edu/plans/compare"),
    PRICING,
    ("Policy: leave", "https://policy.example.edu/aps/5062-leave"),
    PREFERENCES,
];
const POLICY: &[Target] = &[
    ("Policy: remote work", "https://policy.example.edu/aps/5083-remote-work"),
    ("Policy: data", "https://policy.example.edu/aps/6010-data-governance"),
    ("Policy: travel", "https://policy.example.edu/psc/travel"),
    ("Questions", "https://policy.example.edu/questions"),
    PREFERENCES,
];
const GIVING: &[Target] = &[
    ("Give now", "https://giving.example.org/now"),
    ("Read the story", "https://giving.example.org/stories/first-generation"),
    ("Matching gifts", "https://giving.example.org/matching"),
    PREFERENCES,
];
const STUDENTS: &[Target] = &[
    ("Register", "https://students.example.edu/register"),
    ("Tuition & pricing", "https://students.example.edu/tuition/pricing"),
    ("Events this week", "https://students.example.edu/events"),
    ("Athletics: intramurals", "https://athletics.example.edu/intramurals"),
    HOME,
    PREFERENCES,
];

/// The kinds of e-mail sent in jobs.
pub const MAILINGS: &[Mailing] = &[
    Mailing {
        unit: 0,
        name: "CU Connections - {month} {day}, {year} #{n}",
        subject: "CU Connections: the week's stories & more",
        links: NEWS,
    },
    Mailing {
        unit: 1,
        name: "Athletics_Weekly_{year}-{day} (#{n})",
        subject: "🏈 Game day: what to know before kick-off",
        links: SPORT,
    },
    Mailing {
        unit: 2,
        name: "OE {year} – deadline reminder #{n}",
        subject: "Benefits: open enrolment ends Friday",
        links: BENEFITS,
    },
    Mailing {
        unit: 3,
        name: "Giving Day {day} {month} {year} | appeal {n}",
        subject: "\"One day, every gift\" – will you join us?",
        links: GIVING,
    },
    Mailing {
        unit: 2,
        name: "Policy update {n} — {month} {year}",
        subject: "Updated policies & what they mean for you",
        links: POLICY,
    },
    Mailing {
        unit: 4,
        name: "Student News #{n} {month}",
        subject: "Don't miss it: registration, events & more 🎓",
        links: STUDENTS,
    },
    Mailing {
        unit: 0,
        name: "  CU Connections special / {month} {n}",
        subject: "A message from the president, {month} {day}",
        links: NEWS,
    },
    Mailing {
        unit: 3, name: "Alumni Q&A {year}.{n}", subject: "Alumni, it’s time to come home: {month} {year}", links: GIVING
    },
];

/// A subject with a line break, as an editor pastes it.
pub const BROKEN_SUBJECT: &str = "Save the date:\n\"Spring into service\", {month} {day}";

/// Triggered sends: name, kind of e-mail, share of the contacts a month.
pub const TRIGGERED: &[(&str, Mailing, f64)] = &[
    ("Welcome", Mailing { unit: 4, name: "Welcome journey 01", subject: "Welcome! Here’s how to begin", links: STUDENTS }, 0.005),
    (
        "Gift receipt",
        Mailing { unit: 3, name: "Gift receipt (automatic)", subject: "Thank you: your receipt", links: GIVING },
        0.03,
    ),
];

/// What a person is to the university.
pub const AFFILIATIONS: &[&str] = &["Alumni", "Student", "Staff", "Donor", "Faculty"];

/// Campuses.
pub const CAMPUSES: &[&str] = &["Boulder", "Denver", "Anschutz", "Colorado Springs", "System"];

/// Schools.
pub const SCHOOLS: &[&str] = &[
    "Arts & Sciences",
    "Business",
    "Education",
    "Engineering",
    "Law",
    "Medicine",
    "Music",
    "Nursing",
    "Pharmacy",
    "Public Affairs",
];

/// Titles.
pub const TITLES: &[&str] = &[
    "Professor",
    "Associate Professor",
    "Instructor",
    "Program Manager",
    "Analyst",
    "Director, Advising",
    "Librarian",
    "Administrative Assistant",
    "IT Professional",
    "Research Associate",
];

/// Departments.
pub const DEPARTMENTS: &[&str] = &[
    "Physics",
    "Payroll",
    "Libraries",
    "History",
    "Admissions",
    "Facilities",
    "Surgery",
    "Registrar",
    "Athletics",
    "\"Honors\" Program",
];

/// Companies of leads.
pub const COMPANIES: &[&str] = &["[not provided]", "Front Range Brewing, Inc.", "Peak Analytics", "St. Example Hospital", "Self"];
