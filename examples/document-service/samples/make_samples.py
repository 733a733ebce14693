"""Writes the sample sources of the document service next to this file.

The trial is made up. Run it in a virtual environment that holds reportlab, openpyxl and python-docx:

    python make_samples.py

Every file is written with fixed timestamps, so running it twice gives the same bytes.
"""

import csv
import datetime
import io
import random
import zipfile
from pathlib import Path

import docx
import openpyxl
from openpyxl.styles import Font, PatternFill
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import cm
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

HERE = Path(__file__).parent
FIXED = datetime.datetime(2026, 1, 5, 9, 0, 0)
ZIP_DATE = (2026, 1, 5, 9, 0, 0)

STUDY = "EXM-2041"
TITLE = (
    "A randomized, double-blind, placebo-controlled study of examplinib "
    "in adults with chronic sample disease"
)

SYNOPSIS_ROWS = [
    ["Item", "Value"],
    ["Protocol number", STUDY],
    ["Sponsor", "Northwind Example Research"],
    ["Phase", "Phase 2"],
    ["Investigational product", "examplinib 40 mg tablet"],
    ["Indication", "Chronic sample disease"],
    ["First subject enrolled", "12 March 2024"],
    ["Last subject completed", "28 February 2025"],
]

SCHEDULE_ROWS = [
    ["Procedure", "Screening", "Baseline", "Week 4", "Week 8", "Week 12"],
    ["Informed consent", "X", "", "", "", ""],
    ["Symptom score", "X", "X", "X", "X", "X"],
    ["Vital signs", "X", "X", "X", "X", "X"],
    ["Laboratory tests", "X", "X", "X", "X", "X"],
    ["Adverse events", "", "X", "X", "X", "X"],
]

# (heading level, heading, paragraphs, table or None, page break before)
PROTOCOL = [
    (1, "1 Synopsis", [
        f"Study {STUDY} compared examplinib 40 mg once daily with placebo over 12 weeks in adults "
        "with chronic sample disease. The study was conducted at six sites in three countries.",
        "The table below gives the key characteristics of the study.",
    ], SYNOPSIS_ROWS, False),
    (1, "2 Introduction and Background", [
        "Chronic sample disease is an invented condition that serves to test document software. "
        "Its symptoms fluctuate over weeks and impair daily activities. No treatment has been "
        "approved for it, because it does not exist.",
        "Examplinib is an oral inhibitor of an imaginary kinase. In two earlier studies in healthy "
        "volunteers, single doses up to 160 mg were well tolerated and the half-life supported "
        "dosing once a day.",
    ], None, False),
    (1, "3 Study Objectives", [
        "The primary objective was to show that examplinib lowers the symptom score at week 12 "
        "more than placebo does.",
        "The secondary objectives were to describe the proportion of responders, the time to first "
        "response, and the safety and tolerability of 12 weeks of treatment.",
    ], None, False),
    (1, "4 Study Design", [
        "This was a randomized, double-blind, placebo-controlled, parallel-group study. After a "
        "screening period of up to four weeks, subjects were assigned 1:1 to examplinib 40 mg or "
        "placebo by an interactive response system, stratified by country.",
        "Treatment lasted 12 weeks and was followed by a safety visit four weeks after the last "
        "dose. Subjects, investigators and the sponsor remained blinded until database lock.",
    ], None, True),
    (2, "4.1 Schedule of Assessments", [
        "Assessments followed the schedule below. A window of three days was allowed at each visit.",
    ], SCHEDULE_ROWS, False),
    (1, "5 Study Population", [
        "Adults aged 18 to 75 years with a symptom score of at least 20 points at screening were "
        "eligible. Subjects who had taken part in another clinical study within 30 days, or who had "
        "a clinically relevant liver disease, were excluded.",
        "Of 61 subjects screened, 48 subjects were randomized: 24 to examplinib and 24 to placebo. "
        "In total, 45 subjects completed the study.",
    ], None, False),
    (1, "6 Statistical Methods", [
        "The primary endpoint was analysed in the intention-to-treat population with a mixed model "
        "for repeated measures, with treatment, visit and country as fixed effects. A two-sided "
        "significance level of 0.05 was used.",
        "A sample size of 48 gives a power of 90 percent to detect a difference of 6 points, "
        "assuming a standard deviation of 6.3 points.",
    ], None, True),
    (1, "7 Efficacy Analysis", [
        "At week 12 the mean symptom score had fallen by 11.8 points with examplinib and by 5.1 "
        "points with placebo. The difference was 6.7 points (95 percent confidence interval 3.2 to "
        "10.2; p = 0.0004).",
        "The proportion of responders was 67 percent with examplinib and 33 percent with placebo. "
        "The median time to first response was 29 days and 57 days, respectively.",
    ], None, False),
]

SAFETY = [
    (1, "8 Safety Analysis", [
        "All 48 subjects received at least one dose and were included in the safety population. "
        "Adverse events were coded and graded by the investigator at every visit.",
        "Adverse events were reported by 15 subjects on examplinib and 11 subjects on placebo. Most "
        "were mild; headache and nausea were the most frequent. One serious adverse event, an "
        "appendicitis in the placebo group, was judged unrelated to treatment. There were no deaths.",
    ], None, True),
    (2, "8.1 Laboratory Findings", [
        "Mean liver enzymes remained within the normal range in both groups. One subject on "
        "examplinib had a transient rise of alanine aminotransferase to 2.4 times the upper limit "
        "of normal that resolved without interruption of treatment.",
    ], None, False),
    (2, "8.2 Vital Signs", [
        "No clinically relevant changes of blood pressure, heart rate or body weight were seen.",
    ], None, False),
]

CLOSING = [
    (1, "Discussion and Conclusions", [
        "Examplinib 40 mg once daily reduced the symptoms of chronic sample disease more than "
        "placebo did. The effect was visible from week 4 and was consistent across countries.",
        "The results support a larger study. The short duration and the small number of subjects "
        "limit what can be concluded about rare events.",
    ], None, False),
    (1, "Ethics", [
        "The study was conducted in accordance with good clinical practice. The protocol and its "
        "amendment were approved by the independent ethics committee of each site, and each subject "
        "gave written informed consent before any procedure.",
    ], None, False),
]


def numbered(chapters, start):
    """Gives unnumbered level-1 headings the numbers that follow `start`."""
    out = []
    for level, heading, *rest in chapters:
        if level == 1 and not heading[0].isdigit():
            start += 1
            heading = f"{start} {heading}"
        out.append((level, heading, *rest))
    return out


def table_flowable(rows):
    widths = None if len(rows[0]) > 2 else [6 * cm, 9 * cm]
    table = Table(rows, colWidths=widths, hAlign="LEFT")
    table.setStyle(TableStyle([
        ("GRID", (0, 0), (-1, -1), 0.5, colors.grey),
        ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
        ("FONTNAME", (0, 0), (-1, 0), "Helvetica-Bold"),
        ("FONTSIZE", (0, 0), (-1, -1), 9),
    ]))
    return table


def footer(canvas, doc):
    canvas.saveState()
    canvas.setFont("Helvetica", 8)
    canvas.drawString(2.5 * cm, 1.5 * cm, f"Protocol {STUDY} - fictional sample data")
    canvas.drawRightString(A4[0] - 2.5 * cm, 1.5 * cm, f"Page {doc.page}")
    canvas.restoreState()


def write_pdf(name, chapters):
    styles = getSampleStyleSheet()
    story = [
        Spacer(1, 5 * cm),
        Paragraph(f"Clinical Study Protocol {STUDY}", styles["Title"]),
        Spacer(1, 1 * cm),
        Paragraph(TITLE, styles["Heading2"]),
        Spacer(1, 1 * cm),
        Paragraph("Sponsor: Northwind Example Research", styles["Normal"]),
        Paragraph("Version 2.0, 15 January 2024", styles["Normal"]),
        PageBreak(),
    ]
    for level, heading, paragraphs, table, new_page in chapters:
        if new_page:
            story.append(PageBreak())
        story.append(Paragraph(heading, styles[f"Heading{level}"]))
        for text in paragraphs:
            story.append(Paragraph(text, styles["BodyText"]))
        if table:
            story += [Spacer(1, 0.3 * cm), table_flowable(table), Spacer(1, 0.4 * cm)]
    SimpleDocTemplate(
        str(HERE / name), pagesize=A4, title=f"Protocol {STUDY}", author="Northwind Example Research",
        leftMargin=2.5 * cm, rightMargin=2.5 * cm, invariant=1,
    ).build(story, onFirstPage=footer, onLaterPages=footer)


def write_scanned_pdf(name):
    """A page that holds a picture of text and no text."""
    from PIL import Image, ImageDraw
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.lib.utils import ImageReader

    picture = Image.new("1", (600, 200), 1)
    ImageDraw.Draw(picture).text((40, 80), "This page was scanned.", fill=0)
    canvas = Canvas(str(HERE / name), pagesize=A4, invariant=1)
    canvas.drawImage(ImageReader(picture), 2 * cm, 20 * cm, 15 * cm, 5 * cm)
    canvas.showPage()
    canvas.save()


def write_encrypted_pdf(name):
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(HERE / name), pagesize=A4, invariant=1,
                    encrypt=StandardEncryption("a password", ownerPassword="another", strength=128))
    canvas.drawString(2 * cm, 20 * cm, "Only readable with the password.")
    canvas.showPage()
    canvas.save()


def subjects():
    """48 subjects, 24 per arm; three did not complete."""
    rng = random.Random(2041)
    rows = []
    for number in range(1, 49):
        arm = "examplinib" if number % 2 else "placebo"
        rows.append([
            f"{STUDY}-{number:03}", rng.choice(["DE", "FR", "ES"]), rng.randint(19, 74),
            rng.choice(["F", "M"]), arm, "no" if number in (7, 22, 40) else "yes",
        ])
    return rows


ADVERSE_EVENTS = [
    ["Headache", 7, 5, "mild"],
    ["Nausea", 5, 2, "mild"],
    ["Fatigue", 3, 3, "mild"],
    ["Dizziness", 2, 1, "moderate"],
    ["Alanine aminotransferase increased", 1, 0, "moderate"],
    ["Appendicitis (serious)", 0, 1, "severe"],
]

RESPONSE = [
    ["Baseline", 31.2, 30.9],
    ["Week 4", 26.0, 29.1],
    ["Week 8", 22.3, 27.0],
    ["Week 12", 19.4, 25.8],
]


def write_xlsx(name):
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.properties.created = book.properties.modified = FIXED

    def sheet(title, header, rows, widths):
        page = book.create_sheet(title)
        page.append(header)
        for row in rows:
            page.append(row)
        for cell in page[1]:
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="DDE6F0")
        for letter, width in zip("ABCDEF", widths):
            page.column_dimensions[letter].width = width

    sheet("Study Status", ["Item", "Value"], [
        ["Subjects randomized", 48],
        ["Subjects completed", 45],
        ["Database lock", datetime.date(2025, 3, 21)],
    ], [26, 18])
    sheet("Subjects", ["Subject", "Country", "Age", "Sex", "Arm", "Completed"], subjects(),
          [16, 10, 8, 8, 14, 12])
    sheet("Adverse Events", ["Preferred term", "Examplinib (n=24)", "Placebo (n=24)", "Worst grade"],
          ADVERSE_EVENTS, [36, 20, 18, 14])
    sheet("Symptom Score by Visit", ["Visit", "Examplinib mean", "Placebo mean"], RESPONSE,
          [14, 18, 16])
    raw = io.BytesIO()
    book.save(raw)
    repack(raw, HERE / name)


def write_docx(name):
    document = docx.Document()
    core = document.core_properties
    core.author, core.title = "Northwind Example Research", f"Amendment 1 to protocol {STUDY}"
    core.created = core.modified = FIXED
    document.add_heading(f"Amendment 1 to Protocol {STUDY}", 0)
    document.add_paragraph("Amendment date: 3 June 2024")
    document.add_heading("Reason for the Amendment", 1)
    document.add_paragraph(
        "Two sites reported that the washout of 14 days kept eligible subjects from taking part. "
        "The sponsor reviewed the pharmacology of the affected medicines and found seven days to "
        "be sufficient.")
    document.add_heading("Changes to the Study Population", 1)
    document.add_paragraph("The exclusion criteria were changed as follows.")
    table = document.add_table(rows=1, cols=3)
    table.style = "Table Grid"
    for cell, text in zip(table.rows[0].cells, ["Criterion", "Original", "Amended"]):
        cell.text = text
    for row in [
        ["Washout of prior treatment", "14 days", "7 days"],
        ["Upper age limit", "70 years", "75 years"],
    ]:
        for cell, text in zip(table.add_row().cells, row):
            cell.text = text
    document.add_heading("Changes to Safety Monitoring", 1)
    document.add_paragraph(
        "A safety visit four weeks after the last dose was added, with laboratory tests and a "
        "review of adverse events.")
    document.add_paragraph("Liver enzymes are tested at every visit.", style="List Bullet")
    document.add_paragraph("The monitoring committee meets every three months.", style="List Bullet")
    raw = io.BytesIO()
    document.save(raw)
    repack(raw, HERE / name)


def repack(raw, target):
    """Copies an Office file with fixed entry dates, and a fixed date of modification."""
    with zipfile.ZipFile(raw) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                text = data.decode()
                start = text.find("<dcterms:modified")
                if start >= 0:
                    end = text.index("</dcterms:modified>")
                    opening = text[start:text.index(">", start) + 1]
                    text = text[:start] + opening + "2026-01-05T09:00:00Z" + text[end:]
                data = text.encode()
            info = zipfile.ZipInfo(name, ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, data)


def write_csv(name):
    with open(HERE / name, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["Laboratory test", "Unit", "Examplinib week 12", "Placebo week 12", "Normal range"])
        out.writerow(["Alanine aminotransferase", "U/L", "27.1", "24.8", "7 to 56"])
        out.writerow(["Creatinine", "umol/L", "74.0", "75.2", "45 to 104"])
        out.writerow(["Haemoglobin", "g/L", "141", "142", "120 to 170"])


def write_markdown(name):
    (HERE / name).write_text(f"""\
# Investigator summary of study {STUDY}

## Efficacy narrative

Investigators at **five of six sites** reported an improvement that subjects noticed themselves,
most often from the second month on.

| Site | Subjects | Responders |
|------|---------:|-----------:|
| Berlin | 10 | 5 |
| Lyon | 9 | 4 |
| Madrid | 8 | 5 |
| Other sites | 21 | 10 |

## Overall conclusion

- The treatment was easy to take and adherence was high.
- Investigators would take part in a confirmatory study.
""")


if __name__ == "__main__":
    full = PROTOCOL + SAFETY + numbered(CLOSING, 8)
    write_pdf("protocol.pdf", full)
    write_pdf("protocol-without-safety.pdf", PROTOCOL + numbered(CLOSING, 7))
    write_scanned_pdf("scanned.pdf")
    write_encrypted_pdf("encrypted.pdf")
    write_xlsx("trial-data.xlsx")
    write_docx("amendment.docx")
    write_csv("laboratory.csv")
    write_markdown("investigator-summary.md")
