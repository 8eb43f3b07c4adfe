def lines(x, y):
    a = (x
         +
         y)
    b = x.first(
        1,
    ).second(
        y
    )
    c = (
        x
        < y
    )
    for i in (
        range(y)
    ):
        x[
            i
        ] += (
            y
        )
    if (
        x
        and c < y
    ):
        x.a \
            .b = 1
    assert (
        x
        == y), (
        "text")
    return [
        x(
            y)
    ]
