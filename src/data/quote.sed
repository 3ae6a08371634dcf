# quote.sed - turns a text file into lines of one C string; the build runs it over share/catalogue.yaml
s/[\\"]/\\&/g
s/.*/"&\\n"/
